"""`shoal plan` from outside: fast, readable, with the exit codes of `shoal run`, and without leaving files behind."""

import os
import pathlib
import resource
import subprocess

SHOAL = os.environ["SHOAL"]
SOURCE = pathlib.Path(os.environ["SHOAL_SOURCE"])

LARGE = """
rounds = 100
task = {name = "quadratic", clients = 10_000_000, dimension = 10}
planner = {name = "uniform", cohort = 1000, dropout = 0.1}
local = {steps = 1}
"""


def plan(*arguments, code=0):
    before = set(os.listdir())
    done = subprocess.run([SHOAL, "plan", *map(str, arguments)], capture_output=True, text=True, timeout=120)
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    assert set(os.listdir()) == before, "a plan writes no files"
    return done.stdout if code == 0 else done.stderr


def fact(text, name):
    """The value of the first line called `name`."""
    for line in text.splitlines():
        if line.strip().startswith(name + " "):
            return line.strip()[len(name) :].strip()
    raise AssertionError(f"no '{name}' in\n{text}")


def processor_seconds(work):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    work()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_quickstart():
    text = plan(SOURCE / "experiments/quickstart.toml", "--ranks", 2)
    assert fact(text, "model") == "4,810 parameters", text
    assert fact(text, "clients").startswith("500"), text
    assert fact(text, "labels").startswith("0: 376  1: 389"), text
    assert fact(text, "rounds") == "200", text
    assert fact(text, "cohort").startswith("50 a round"), text
    assert "on 2 free cores" in text and "scaffold" in text, text
    assert max(map(len, text.splitlines())) <= 140, text


def test_ten_million_clients():
    pathlib.Path("large.toml").write_text(LARGE)
    seconds = processor_seconds(lambda: plan("large.toml"))
    assert seconds < 2, seconds
    text = plan("large.toml", "--set", "rounds=1_000_000")
    assert "10,000,000 (what follows is about 10,000 of them" in fact(text, "clients"), text
    assert "sums are extrapolated" in fact(text, "rounds"), text
    os.remove("large.toml")


def test_errors():
    assert plan("nowhere.toml", code=2).startswith("shoal: "), "a missing file"
    quickstart = SOURCE / "experiments/quickstart.toml"
    error = plan(quickstart, "--set", "planner.cohort=501", code=2)
    assert "cohort of 501 clients" in error, error
    assert error.count("\n") == 1, error
    plan(quickstart, "--ranks", 0, code=2)
    plan(code=2)


if __name__ == "__main__":
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            test()
            print(f"{name}: ok")
