"""Output for people: lines in a file, an updated line with colours on a terminal, and help for newcomers."""

import os
import pty
import re
import subprocess
from pathlib import Path

import program

EXPERIMENT = """
name = "progress"
rounds = 40
[partition]
clients = 50
[model]
widths = [8]
[planner]
cohort = 5
[evaluate]
every = 8
target = 0.2
[grid]
seed = [1, 2]
"""
EVALUATED = [8, 16, 24, 32, 40]
UPDATE, COLOUR = "\r\x1b[K", "\x1b[36m"


def command(*arguments):
    Path("progress.toml").write_text(EXPERIMENT)
    return ["run", "progress.toml", "--out", "progress.h5", "--log-every", "0", *arguments]


def on_terminal(*arguments, **variables):
    """The program's output on a terminal of 80 columns."""
    ours, theirs = pty.openpty()
    try:
        process = subprocess.Popen([program.SHOAL, *arguments], env=program.environment(**variables), stdin=theirs,
                                   stdout=theirs, stderr=theirs)
    finally:
        os.close(theirs)
    seen = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # on Linux, the end of the output
            break
        if not part:
            break
        seen += part
    os.close(ours)
    assert process.wait(program.LIMIT) == 0, seen.decode(errors="replace")
    return seen.decode().replace("\r\n", "\n")


def check_end(text):
    """The output ends with the table and the hash."""
    lines = text.rstrip("\n").splitlines()
    program.result_hash(text)
    assert lines[-1].startswith("hash ") and lines[-2].split() == ["run", "file", "progress.h5"], lines[-3:]
    head_lines = [before for before, line in zip(lines, lines[1:]) if re.fullmatch("-{10,}", line)]  # several if it is narrow
    head = "   ".join(head_lines)
    for column in ("seeds", "final accuracy", "best accuracy", "loss", "rounds to target", "upload", "status"):
        assert column in head, f"no column {column!r} in {head!r}"
    rows = [line for line in lines if line.startswith("fed_avg ")]
    assert len(rows) == len(head_lines), rows
    assert re.search(r"^fed_avg +2 +\d+\.\d\d ± \d+\.\d\d % ", rows[0]) and rows[-1].endswith("finished"), rows
    return lines[lines.index(head_lines[0]):]


def check_lines(text):
    """One line for each evaluation of each cell, and one at its end."""
    for number, seed in ((1, 1), (2, 2)):
        label = f"[{number}/2] fed_avg seed {seed}: "
        lines = [line[len(label):] for line in text.splitlines() if line.startswith(label)]
        assert len(lines) == len(EVALUATED) + 1, lines
        for line, at in zip(lines, EVALUATED):
            assert re.match(rf"round {at}/40  accuracy 0\.\d{{4}}  loss \d+\.\d{{4}}  [\d.]+ rounds/s", line), line
            assert (" left" in line.split("  all cells")[0]) == (at < 40), line
        assert re.match(r"finished after 40 rounds, \d", lines[-1]), lines[-1]
    assert "\x1b" not in text and "\r" not in text, "control characters outside a terminal"


def test_lines_into_a_file():
    for ranks in ([], ["--ranks", "2"]):
        text = program.shoal(*command(*ranks)).stdout
        check_lines(text)
        check_end(text)


def test_lines_of_all_ranks_under_mpirun():
    text = program.run(*command()[1:], mpirun=2)
    check_lines(text)
    check_end(text)


def test_updating_line_on_a_terminal():
    for ranks in ([], ["--ranks", "2"]):
        text = on_terminal(*command(*ranks))
        assert UPDATE in text, text[:500]
        assert COLOUR in text and "\x1b[0m" in text, "no colours"
        updates = re.split(r"\r\x1b\[K|\n", text.split("seeds")[0])
        shown = [re.sub(r"\x1b\[\d*m", "", update) for update in updates if "round " in update]
        assert shown and all(len(update) < 80 for update in shown), shown
        assert any(re.match(r"round 40/40  accuracy 0\.\d{4}", update) for update in shown), shown
        assert "finished after 40 rounds" in text
        lines = check_end(text)
        assert all(len(line) <= 80 for line in lines), "wider than the terminal"


def test_few_lines_into_a_file():
    """Unless told otherwise, one line in ten seconds, and one at the end of every cell."""
    text = program.run(*command()[1:4])
    assert 1 <= text.count(": round ") < 5 and text.count(": finished after 40 rounds") == 2, text


def test_no_color():
    text = on_terminal(*command(), NO_COLOR="1")
    assert UPDATE in text and "\x1b[36m" not in text and not re.search(r"\x1b\[\d*m", text)
    assert COLOUR in on_terminal(*command(), NO_COLOR=""), "an empty NO_COLOR has no effect"


def test_version():
    done = program.shoal("--version")
    assert done.returncode == 0 and re.fullmatch(r"\d+\.\d+\.\d+ \(\S+\)\n", done.stdout), done


def test_help():
    whole = program.shoal("--help")
    assert whole.returncode == 0
    words = {"": ["shoal run experiments/quickstart.toml", "shoal list", "shoal explain fed_prox", "--version"],
             "run": ["FILE", "--set KEY=VALUE", "--out", "--ranks", "--threads", "--ranks-per-cell", "results/NAME.h5",
                     "--resume", "--anew", "--checkpoint-every", "--time-limit",
                     "shoal run experiments/quickstart.toml --ranks 2", "mpirun -n 4 shoal run"],
             "plan": ["FILE", "--set KEY=VALUE", "--ranks", "shoal plan experiments/quickstart.toml"],
             "table": ["RUN.h5", "--format", "--out", "shoal table results/quickstart.h5"],
             "report": ["RUN.h5", "--out", "shoal report results/quickstart.h5 --out"],
             "export": ["RUN.h5", "--out", "--cell", "shoal export results/quickstart.h5"],
             "verify": ["RUN.h5", "--ranks", "shoal verify results/quickstart.h5"],
             "check": ["RUN.h5", "shoal check results/*.h5", "a hash is no signature"],
             "diff": ["A.h5", "B.h5", "shoal diff results/a.h5"],
             "new": ["FILE", "--task", "shoal new prox.toml"],
             "schema": ["COMMAND", "shoal schema run"],
             "completion": ["SHELL", "shoal completion bash"],
             "trace": ["LAYOUT", "IN.json", "OUT.h5", "shoal trace flash"],
             "calibrate": ["--models", "--clients", "--seconds", "--out", "shoal calibrate --models"],
             "pretrain": ["--steps", "--width", "--seed", "--measure", "shoal pretrain --out"],
             "list": ["shoal list"],
             "explain": ["PART", "shoal explain fed_prox"]}  # fmt: skip
    commands = re.findall(r"^  ([a-z_-]+) ", whole.stdout.split("Subcommands:")[1], re.MULTILINE)
    assert sorted(commands) == sorted(filter(None, words)), f"commands without a test of their help: {commands}"
    for name, expected in words.items():
        done = program.shoal(*filter(None, [name, "--help"]))
        assert done.returncode == 0 and done.stderr == "", done
        for word in expected:
            assert word in done.stdout, f"no {word!r} in the help of {name or 'shoal'}:\n{done.stdout}"
        assert name == "" or "Example" in done.stdout


def test_examples_of_help_work():
    text = program.shoal("explain", "fed_prox").stdout
    assert "[strategy]" in text and re.search(r"mu += 0\.01", text) and "1812.06127" in text, text
    assert re.search(r"rate += 0\.1", program.shoal("explain", "local").stdout)
    listed = program.shoal("list").stdout
    for part in ("fed_avg", "scaffold", "uniform", "clip", "plain", "mlp", "optdigits", "dirichlet"):
        assert re.search(rf"^  {part} ", listed, re.MULTILINE), f"{part} is not listed"
    # Whatever is listed can be explained.
    names = re.findall(r"^  ([a-z_]+) ", listed, re.MULTILINE)
    for name, done in zip(names, program.two_at_once(lambda name: program.shoal("explain", name), names)):
        assert done.returncode == 0 and done.stdout.startswith(f"{name} ("), (name, done)


def test_quickstart_in_help_is_an_experiment():
    out = program.run(program.SOURCE / "experiments/quickstart.toml", "--set", "rounds=1", "--set", "grid.seed=[1, 2]",
                      "--set", "planner.cohort=20", "--out", "cohort-20.h5")  # fmt: skip
    program.result_hash(out)


program.main(globals())
