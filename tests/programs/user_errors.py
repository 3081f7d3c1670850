"""Bad input ends with exit code 2 and one line that states the fact and, if there is one, a remedy."""

import gzip
import shutil
import struct
from pathlib import Path

import program

BASE = """
name = "base"
rounds = 2
[partition]
clients = 50
[model]
widths = [8]
[planner]
cohort = 5
"""


def settings(*changes):
    """`shoal run base.toml --set change ...`"""
    return ["run", "base.toml", "--out", "base.h5"] + [word for change in changes for word in ("--set", change)]


# A name of the error, the arguments, and texts that the line must contain.
CASES = [
    # the command line
    ("no command", [], ["subcommand is required", "shoal --help"]),
    ("unknown command", ["rum", "base.toml"], ["no command 'rum'", "'shoal run'"]),
    ("no file", ["run"], ["FILE is required", "shoal run --help"]),
    ("no part", ["explain"], ["PART is required", "shoal explain --help"]),
    ("unknown option", ["run", "base.toml", "--rank", "2"], ["--rank", "shoal run --help"]),
    ("two files", ["run", "base.toml", "more.toml"], ["more.toml", "shoal run --help"]),
    ("zero ranks", ["run", "base.toml", "--ranks", "0"], ["--ranks", "0 not in range 1"]),
    ("negative ranks", ["run", "base.toml", "--ranks", "-3"], ["--ranks", "-3"]),
    ("ranks in words", ["run", "base.toml", "--ranks", "two"], ["--ranks", "two"]),
    ("zero threads", ["run", "base.toml", "--threads", "0"], ["--threads", "range 1 to"]),
    ("zero ranks per cell", ["run", "base.toml", "--ranks-per-cell", "0"], ["--ranks-per-cell", "range 1 to"]),
    ("set without =", settings("seed"), ["'seed' has no '='", "--set key=value"]),
    ("set without key", settings("=3"), ["not a key", "Write it like"]),
    ("unknown part to explain", ["explain", "fedprox"], ["no part called 'fedprox'", "'fed_prox'"]),
    ("hopeless part to explain", ["explain", "qqqqqqqqqq"], ["no part called", "shoal list"]),
    # keys and values
    ("unknown key", settings("planner.cohrot=5"), ["unknown key 'cohrot' in [planner]", "'cohort'"]),
    ("key in the wrong section", settings("cohort=5"), ["unknown key 'cohort'", "belong in [planner]"]),
    ("unknown section", settings("plannr.cohort=5"), ["unknown section [plannr]", "'planner'"]),
    ("several unknown keys", settings("planner.cohrot=5", "seeed=1"), ["key 'cohrot'", "'cohort'", "key 'seeed'", "'seed'"]),
    ("names of other tools", settings("num_rounds=5", "lr=0.1", "batch_size=3"),
     ["'num_rounds'. It is called 'rounds' here.", "'lr'. It is called 'local.rate'", "'batch_size'. It is called 'local.batch'"]),
    ("names of other tools in a section", settings("local.learning_rate=1", "planner.clients_per_round=1"),
     ["It is called 'local.rate'", "It is called 'planner.cohort'"]),
    ("text for a number", settings("local.rate=fast"), ["[local] 'rate' must be a number", "\"fast\"). Write it like 0.5."]),
    ("number for text", settings("name=3"), ["'name' must be a string", "found 3). Write it like \"text\"."]),
    ("fraction for an integer", settings("rounds=2.0"), ["'rounds' must be an integer", "Write 2."]),
    ("number for a section", settings("local=3"), ["'local' must be a table or a name", "found 3). Write it like {name"]),
    ("number for a list", settings("model.widths=8"), ["'widths' must be a list of integers", "[8]"]),
    ("negative rate", settings("local.rate=-0.1"), ["'rate' must be greater than 0", "-0.1). Raise it."]),
    ("rate not a number", settings("local.rate=nan"), ["'rate' must be a finite number", "nan"]),
    ("infinite rate", settings("local.rate=inf"), ["'rate' must be a finite number", "inf"]),
    ("no rounds", settings("rounds=0"), ["'rounds' must be at least 1", "found 0). Raise it."]),
    ("dropout above 1", settings("planner.dropout=1.5"), ["'dropout' must be between 0 and 1", "1.5). Lower it."]),
    ("endless epochs", settings("local.epochs=1e300"), ["'epochs' must be", "at most 1000000", "1e+300"]),
    ("endless steps", settings("local.steps=9000000000000000000"), ["'steps' must be between 0 and", "9000000000"]),
    ("too many clients", settings("partition.clients=1000000000000"), ["'clients' must be between 1 and"]),
    ("integer beyond 64 bits", settings("rounds=99999999999999999999"), ["'rounds' must be an integer"]),
    ("model beyond memory", settings("model.widths=[4000000000000000000]"), ["parameters", "Lower its widths."]),
    ("width of zero", settings("model.widths=[8, 0]"), ["item 2 of 'widths' must be at least 1"]),
    ("model that does not fit", settings("model.widths=[4294967296]"),
     ["[model]: a model of this size needs at least 7730.9 GB, and only", "with 'widths'"]),
    ("the same before planning", ["plan", "base.toml", "--set", "model.widths=[4294967296]"], ["needs at least 7730.9 GB"]),
    ("bound without resolution", settings("aggregator.bound=1e16"), ["'bound' = 1e+16", "at most 1.1e+10", "2^-20"]),
    ("momentum without steps", settings("strategy=fed_sgd", "local.momentum=0.9"), ["'momentum' has no effect", "'fed_sgd'"]),
    ("local training in a study", settings("task=rules", "local.rate=1"), ["has no effect", "'rules'"]),
    ("bound beyond counting", settings("aggregator.bound=1e300"), ["'bound' must be between", "1e+300"]),
    ("data beyond memory", settings("data={name='synthetic', examples=2147483647, features=1000000}"),
     ["2147485657000000 numbers", "Lower 'examples'"]),
    # parts
    ("unknown strategy", settings("strategy=fed_porx"), ["no strategy called 'fed_porx'", "'fed_prox'"]),
    ("unknown data", settings("data=optdigit"), ["no data source called 'optdigit'", "'optdigits'"]),
    ("unknown stage", settings("stages=clipp"), ["no stage called 'clipp'", "'clip'"]),
    ("unknown task", settings("task=quadratc"), ["quadratc", "'quadratic'"]),
    ("setting of another part", settings("strategy=fed_avg", "strategy.mu=1"), ["unknown key 'mu' in [strategy]"]),
    ("a strategy beside a topology", settings("topology=ring", "strategy=fed_avg"),
     ["'strategy' beside 'topology'", "Remove one of them"]),
    ("noise for some channels only", settings("stages=['gaussian', 'adaptive_clip']"),
     ["not to the channel 'stage/2/adaptive_clip/within_bound'", "leave out the strategy or stage"]),
    ("nesterov without momentum", settings("local.nesterov=true"), ["nesterov needs momentum", "Set 'momentum'."]),
    ("cohort above population", settings("planner.cohort=51"), ["cohort of 51", "has 50", "Lower 'cohort'."]),
    ("cohort above the clients with examples",
     settings("partition={name='dirichlet', clients=500, alpha=0.01}", "planner.cohort=400"),
     ["cohort of 400 clients", "have examples", "Lower 'cohort'."]),
    ("expected cohort above population", settings("planner={name='poisson', cohort=51}"), ["51", "Lower 'cohort'."]),
    ("nothing held out", settings("evaluate.on=validation"), ["no examples", "hold some out"]),
    ("unknown set of examples", settings("evaluate.on=backdoor"), ['"backdoor"', "(it has train, test)"]),
    ("more than the server can keep", settings("data.server=3823"), ["3823 examples for the server", "Lower 'server'."]),
    ("unknown transform", settings("data.transforms=['random_crap']"), ["no transform", "'random_crop'"]),
    ("crop beyond the image", settings("data.transforms=[{name='random_crop', padding=8}]"), ["8 x 8", "Lower 'padding'."]),
    # clients in time
    ("unknown availability", settings("population.availability=diurnl"), ["form of availability", "'diurnal'"]),
    ("availability above 1", settings("population.availability={name='diurnal', mean=0.9}"), ["peak", "Lower 'mean'."]),
    ("unknown policy", settings("population.offline=stop"), ["'offline' must be one of", "check_at_end"]),
    ("no client agreed", settings("population.consent.task=0"), ["no client is available", "'consent'"]),
    ("no trace", settings("population.availability={name='trace', file='none.h5'}"), ["'none.h5'", "shoal trace"]),
    ("a trace that is none", settings("population.availability={name='trace', file='binary.toml'}"),
     ["'binary.toml' is not a trace file", "shoal trace"]),
    ("unknown layout of traces", ["trace", "flgo", "binary.toml", "t.h5"], ["no layout", "'flgo'", "fedscale or flash"]),
    ("recording that is no JSON", ["trace", "flash", "binary.toml", "t.h5"], ["'binary.toml' is not a FLASH trace"]),
    ("recording with an overlap", ["trace", "fedscale", "overlap.json", "t.h5"],
     ["client '4'", "overlaps the time before", "Mend the trace"]),
    ("recording elsewhere", ["trace", "fedscale", "none.json", "t.h5"], ["cannot read 'none.json'"]),
    ("FLASH without a folder", settings("population.devices=flash"), ["Set 'folder', or SHOAL_DATA"]),
    ("tiers that do not match", settings("population.devices={name='tiers', speeds=[1, 2], shares=[1]}"),
     ["1 'shares'", "List one share for each."]),
    # the grid
    ("empty list", settings("grid.seed=[]"), ["'seed' is an empty list", "Give it a value."]),
    ("value for a list", settings("grid.seed=3"), ["'seed' must be a list", "Write [3]."]),
    ("twice the same", settings("grid={strategy=['fed_avg', 'fed_avg']}"), ["both called 'fed_avg'", "label"]),
    ("error in the last cell", settings("grid={strategy=['fed_avg', 'fed_porx']}"), ["'fed_porx'", "'fed_prox'"]),
    ("too many cells", settings(*[f"grid.{key}=[{','.join(map(str, range(1, 401)))}]" for key in ("seed", "rounds")]),
     ["more than 20000 cells", "Shorten"]),
    # files
    ("missing file", ["run", "nowhere.toml"], ["'nowhere.toml'", "no such file", "Check the path"]),
    ("folder for a file", ["run", "."], ["'.'", "is a directory", "Check the path"]),
    ("binary for a file", ["run", "binary.toml"], ["'binary.toml' holds binary data", "TOML"]),
    ("not TOML", ["run", "broken.toml"], ["broken.toml:2:"]),
    ("unknown key in a file", ["run", "typo.toml"], ["typo.toml:3: unknown key 'cohrot'", "'cohort'"]),
    ("the experiment as run file", ["run", "base.toml", "--out", "base.toml"], ["base.toml", "no run file", "--out"]),
    ("data as run file", ["run", "base.toml", "--out", "idx/train-images-idx3-ubyte"], ["no run file", "not replaced"]),
    ("a device as run file", ["run", "base.toml", "--out", "/dev/null"], ["/dev/null", "no run file"]),
    ("no time limit", ["run", "base.toml", "--time-limit", "nan"], ["--time-limit", "nan is no time in seconds"]),
    ("endless time limit", ["run", "base.toml", "--time-limit", "inf"], ["--time-limit", "inf is no time"]),
    ("negative time limit", ["run", "base.toml", "--time-limit", "-1"], ["--time-limit", "-1 is no time"]),
    ("no such folder", ["run", "base.toml", "--out", "none/x.h5"], ["folder 'none'", "does not exist", "Make it"]),
    ("folder for the run file", ["run", "base.toml", "--out", "."], ["'.' is a folder", "Add a file name."]),
    ("folder that takes no files", ["run", "base.toml", "--out", "/proc/x.h5"], ["'/proc/x.h5' cannot be written"]),
    # data
    ("no data", settings("data.folder=none"), ["optdigits.tra", "sha-256 e1b683cc", "UCI"]),
    ("data cut short", settings("data.folder=short"), ["short/optdigits.tra", "line end", "Download it again"]),
    ("data without its end", settings("data.folder=fewer"), ["fewer/optdigits.tra", "2000 rows (expected 3823)"]),
    ("data with a wrong number", settings("data.folder=range"), ["optdigits.tes", "line 1, column 2 is 17"]),
    ("data with a word", settings("data.folder=word"), ["optdigits.tes", "line 1, column 2 is 'x'"]),
    ("binary data", settings("data.folder=noise"), ["noise/optdigits.tra", "Check that it is the right file."]),
    ("MNIST without a folder", settings("data=mnist"), ["SHOAL_DATA", "sha-256 440fcabf", "Get them from http"]),
    ("MNIST elsewhere", settings("data={name='mnist', folder='none'}"), ["not in 'none'", "sha-256 440fcabf"]),
    ("MNIST that claims too much", settings("data={name='mnist', folder='idx'}"), ["idx/train-images-idx3-ubyte"]),
    ("MNIST with damaged gzip", settings("data={name='mnist', folder='gzip'}"), ["gzip", "ownload it again"]),
]  # fmt: skip
# The same through mpirun, which costs a second each: one of each kind of place that finds errors.
UNDER_MPIRUN = ["zero ranks", "no file", "unknown key", "unknown strategy", "cohort above population", "missing file",
                "cohort above the clients with examples", "data cut short", "no such folder"]  # fmt: skip


def damaged(folder, half, change):
    """A copy of the shipped data with one file changed by `change(bytes)`."""
    shutil.copytree(program.SOURCE / "datasets/optdigits", folder)
    path = Path(folder) / half
    path.write_bytes(change(path.read_bytes()))


def prepare():
    if Path("base.toml").exists():
        return
    Path("base.toml").write_text(BASE)
    Path("broken.toml").write_text("rounds = 1\nseed = = 2\n")
    Path("typo.toml").write_text("rounds = 1\n[planner]\ncohrot = 5\n")
    Path("binary.toml").write_bytes(bytes(range(256)) * 20)
    Path("overlap.json").write_text('{"4": {"active": [0, 5], "inactive": [9, 12], "finish_time": 20}}')
    damaged("short", "optdigits.tra", lambda old: old[:100_000])
    damaged("fewer", "optdigits.tra", lambda old: b"".join(old.splitlines(keepends=True)[:2000]))
    damaged("range", "optdigits.tes", lambda old: b"0,17" + old[3:])
    damaged("word", "optdigits.tes", lambda old: b"0,x" + old[3:])
    damaged("noise", "optdigits.tra", lambda old: gzip.compress(old)[10:])
    names = ["train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"]
    for folder in ("idx", "gzip"):
        Path(folder).mkdir()
        for name in names:
            shape = (4_000_000_000, 28, 28) if "images" in name else (4_000_000_000,)
            head = bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + b"few bytes"
            packed = gzip.compress(head + bytes(5000))
            if folder == "idx":
                (Path(folder) / f"{name}-ubyte").write_bytes(head)
            else:
                (Path(folder) / f"{name}-ubyte.gz").write_bytes(packed[:20] + b"\xff" * 8 + packed[28:])


def check(case, extra=(), mpirun=0):
    """The complaints about the program's answer to this case; empty if it is right."""
    what, arguments, facts = case
    done = program.shoal(*arguments, *extra, mpirun=mpirun)
    lines = done.stderr.splitlines()
    spoken = [line for line in lines if line.startswith("shoal: ")]
    wrong = []
    if done.returncode != 2:
        wrong.append(f"exit code {done.returncode}")
    if len(spoken) != 1 or (len(lines) != 1 and not mpirun):
        wrong.append("not one line on stderr")
    wrong += [f"does not tell {fact!r}" for fact in facts if fact not in done.stderr]
    if "frame #" in done.stderr or "terminate called" in done.stderr or "defect" in done.stderr:
        wrong.append("is no user error")
    return f"{what} {extra}: {'; '.join(wrong)}\n    {done.stderr.strip()[:600]}" if wrong else ""


def none_wrong(cases, **how):
    prepare()
    complaints = [text for text in program.two_at_once(lambda case: check(case, **how), cases) if text]
    assert not complaints, f"{len(complaints)} of {len(cases)}\n" + "\n".join(complaints)


def test_one_line_and_exit_code_2():
    none_wrong(CASES)
    assert not list(Path(".").glob("*.h5*")), "a refused run left files behind"


def test_the_same_before_ranks_are_started():
    # mpirun would add lines of its own, so the program must find errors before it starts it.
    own = [case for case in CASES if case[1][:2] == ["run", "base.toml"] and "--ranks" not in case[1]]
    none_wrong(own[::4], extra=("--ranks", 2))


def test_one_line_under_mpirun():
    chosen = [case for case in CASES if case[0] in UNDER_MPIRUN]
    assert len(chosen) == len(UNDER_MPIRUN)
    none_wrong(chosen, mpirun=2)


def test_the_base_is_right():
    # Otherwise the cases would be refused for another reason.
    prepare()
    program.result_hash(program.run("base.toml", "--out", "base.h5"))


program.main(globals())
