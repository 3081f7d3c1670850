"""Awkward words on the command line end with exit code 2 and one line without control characters, or do what they say."""

import os
import subprocess
from pathlib import Path

import program

BASE = "rounds = 1\n[partition]\nclients = 50\n[model]\nwidths = [8]\n[planner]\ncohort = 5\n"
ESCAPE = "\x1b[31m"

# The arguments, and texts that the line must contain.
REFUSED = [
    (["run", "base.toml", "--set", 'name="a\\u001B[31mb"'], ["'name'", "control character \\x1b", "Leave it out"]),
    (["run", "base.toml", "--set", 'name="a\\u0000b"'], ["'name'", "control character \\x00"]),
    (["run", "base.toml", "--set", 'name="a\\nb"'], ["'name'", "control character \\x0a"]),
    (["run", "base.toml", "--set", 'name=""'], ["'name' is empty", "Give"]),
    (["run", "base.toml", "--set", f'name="{"x" * 300}"'], ["'name' has 300 bytes", "Shorten"]),
    (["run", f"no{ESCAPE}where.toml"], ["no\\x1b[31mwhere.toml", "no such file"]),
    (["run", "two\nlines.toml"], ["two\\x0alines.toml"]),
    (["run", ""], ["cannot read ''", "Check the path"]),
    (["run", "base.toml", "--set", f"a{ESCAPE}=1"], ["not a key"]),
    (["run", "base.toml", "--out", "none\n/x.h5"], ["folder", "\\x0a"]),
    (["run", "base.toml", "--log-every", "nan"], ["--log-every", "nan is no time in seconds"]),
    (["run", "base.toml", "--log-every", "-1"], ["--log-every", "-1 is no time"]),
    (["run", "base.toml", f"--{ESCAPE}"], ["\\x1b[31m", "shoal run --help"]),
    ([f"{ESCAPE}run"], ["no command '\\x1b[31mrun'"]),
    (["explain", f"fed{ESCAPE}prox"], ["no part called 'fed\\x1b[31mprox'"]),
    (["explain", ""], ["no part called ''"]),
    (["explain", "planner.cohrot"], ["no part called 'planner.cohrot'"]),
    (["schema", "rum"], ["no schema of 'rum'", "'run'"]),
    (["completion", "fish"], ["'fish'", "bash or zsh"]),
    (["new", "--task", "supervized"], ["no task called 'supervized'", "'supervised'"]),
    (["new", "base.toml"], ["base.toml: exists", "another name"]),
    (["new", "none/x.toml"], ["folder 'none'"]),
    (["new", "dangling.toml"], ["dangling.toml: exists"]),
    (["diff", "base.toml", "base.toml"], ["base.toml"]),
    (["diff", "base.h5"], ["B.h5 is required"]),
    (["export", "base.h5", "--cell", "7"], ["no cell 7"]),
    (["export", "base.h5", "--cell", "-1", "--json"], ["no cell -1"]),
    (["export", "base.h5", "--table", "rounds"], ["--table", "--json"]),
    (["export", "base.h5", "--json", "--table", "edges"], ["no table 'edges'", "clients, measures, rounds"]),
    (["calibrate", "--seconds", "inf"], ["inf is no time in seconds"]),
    (["calibrate", "--seconds", "nan"], ["nan is no time in seconds"]),
    (["pretrain", "--rate", "nan"], ["nan is no learning rate"]),
]  # fmt: skip


def prepare():
    if Path("base.toml").exists():
        return
    Path("base.toml").write_text(BASE)
    os.symlink("nowhere.toml", "dangling.toml")
    program.run("base.toml", "--out", "base.h5")


def test_refused_in_one_line():
    prepare()
    wrong = []
    for (arguments, texts), done in zip(REFUSED, program.two_at_once(lambda case: program.shoal(*case[0]), REFUSED)):
        line = done.stderr
        fine = done.returncode == 2 and line.startswith("shoal: ") and line.count("\n") == 1 and "?" not in line
        plain = all(character.isprintable() for character in line[:-1])
        said = done.stdout if "--json" not in arguments else ""
        if not (fine and plain and said == "" and all(text in line for text in texts)):
            wrong.append((arguments, done.returncode, line, done.stdout[:200]))
    assert not wrong, "\n".join(map(str, wrong))


def test_labels_with_controls_are_shown_as_escapes():
    prepare()
    out = program.run("base.toml", "--out", "label.h5", "--set", 'grid.variants=[{label = "a\\u001B[31mb", seed = 2}]')
    assert "\x1b" not in out and "\\u001B[31mb" in out, out


def test_output_that_cannot_be_written():
    prepare()
    for arguments in (["list"], ["list", "--json"], ["schema"], ["export", "base.h5", "--json"], ["explain", "local"]):
        with open("/dev/full", "w") as full:
            done = subprocess.run([program.SHOAL, *arguments], stdout=full, stderr=subprocess.PIPE, text=True,
                                  env=program.environment())
        assert done.returncode == 1 and "cannot write" in done.stderr, (arguments, done)


def test_files_with_awkward_names():
    """A new experiment is named after its file, whatever is in the name."""
    for name in ("it's.toml", 'say "hi".toml', "ä ö.toml", "back\\slash.toml"):
        assert program.shoal("new", name, "--task", "quadratic").returncode == 0
        program.run(name, "--set", "rounds=1", "--set", "grid.seed=[1]")
        assert Path("results", name).with_suffix(".h5").exists(), name


program.main(globals())
