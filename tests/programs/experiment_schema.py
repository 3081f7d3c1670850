"""`shoal schema` describes every experiment of the repository, and refuses what the program refuses."""

import json
import tomllib

import program

try:
    import jsonschema
except ImportError:
    jsonschema = None


def validator():
    if jsonschema is None:
        raise program.Skip("the Python package jsonschema is not installed (experiments/setup installs it)")
    done = program.shoal("schema")
    assert done.returncode == 0 and done.stderr == "", done
    schema = json.loads(done.stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def problem(check, experiment):
    """The first thing that is wrong, or an empty text."""
    found = jsonschema.exceptions.best_match(check.iter_errors(tomllib.loads(experiment)))
    return "" if found is None else f"{found.json_path}: {found.message[:300]}"


def test_shipped_experiments_are_valid():
    check = validator()
    files = [path for folder in (".", "federated", "agents") for path in (program.SOURCE / "experiments" / folder).glob("*.toml")]
    assert len(files) > 20, files
    wrong = {path.name: problem(check, path.read_text()) for path in files}
    assert not any(wrong.values()), {name: text for name, text in wrong.items() if text}


def test_parts_can_be_tried():
    """Every part is valid where the conformance test puts it, with the settings that its file asks for."""
    check = validator()
    listed = json.loads(program.shoal("list", "--json").stdout)["parts"]
    lists = {"stages", "codec", "rules", "data.transforms"}
    wrong = []
    for part in listed:
        if part["kind"] in ("section", "key"):
            continue
        table = f"{{name = '{part['name']}'}}"
        if part["section"] in lists:
            table = f"[{table}]"
        if text := problem(check, f"{part['section']} = {table}"):
            wrong.append((part["name"], text))
    assert not wrong, wrong


def test_what_is_wrong_is_refused():
    check = validator()
    assert problem(check, "rounds = 3\n[local]\nrate = 0.5") == ""
    wrong = []
    for experiment in ("roundz = 3", "rounds = 0", "rounds = 2.5", "rounds = '3'", "seed = -1",
                       "[planner]\ncohrot = 5", "[planner]\nname = 'uniform'\ndropout = 1.5", "[strategy]\nname = 'fed_porx'",
                       "strategy = 'fed_porx'", "strategy = {name = 'fed_avg', mu = 1}", "[local]\nrate = -0.1",
                       "[model]\nname = 'mlp'\nwidths = [8, 0]", "stages = ['clipp']", "[population.limits]\nlimit = 3",
                       "[grid]\nseed = 1", "[grid]\nseed = []", "[grid]\nsead = [1]", "[aggregator]\nweights = 'heavy'"):
        assert problem(check, experiment), experiment
        wrong.append(experiment)
    for number, experiment in enumerate(wrong):
        program.Path(f"wrong{number}.toml").write_text(experiment)
    ends = program.two_at_once(lambda number: program.shoal("run", f"wrong{number}.toml").returncode, range(len(wrong)))
    assert ends == [2] * len(wrong), ends


program.main(globals())
