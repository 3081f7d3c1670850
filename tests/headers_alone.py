"""Every header compiles alone: one that no source file includes first (which would show it) is compiled here.

    .venv/bin/python tests/headers_alone.py BUILD_FOLDER     reads the flags from its compile_commands.json
"""

import json
import os
import re
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("kernels", "sim", "datasets", "strategies", "experiments", "bench", "tests")
WITH_VALUE = {"-o", "-MF", "-MT", "-MQ"}
ALONE = {"-c", "-MD"}


def sources():
    for room in ROOMS:
        yield from (path for path in (ROOT / room).rglob("*.[ch]*") if "fixtures" not in path.parts)


def first_included(path):
    """The header that a source file includes first, below the root of the repository."""
    found = re.search(r'^#include "([^"]+)"', path.read_text(), re.MULTILINE)
    first = re.search(r"^#include", path.read_text(), re.MULTILINE)
    if not found or found.start() != first.start():
        return None
    beside = path.parent / found[1]
    return beside if beside.exists() else ROOT / found[1]


def command_for(header, commands):
    """The compiler call of a source file that sees the same libraries, changed to check the header and write nothing."""
    room = header.relative_to(ROOT).parts[0]
    model = {"kernels": "kernels/ring.cpp", "bench": "bench/agents.cpp"}.get(room, "experiments/program/explain.cpp")
    near = next(c for c in commands if c["file"] == str(ROOT / model))
    call, skip = [], False
    for word in shlex.split(near["command"]):
        if skip or word in ALONE or word in WITH_VALUE:
            skip = not skip and word in WITH_VALUE
        elif word != near["file"]:
            call.append(word)
    if "ccache" in Path(call[0]).name:
        call = call[1:]
    return [*call, "-fsyntax-only", "-x", "c++", "-"], near["directory"]


def compile_alone(header, commands):
    call, folder = command_for(header, commands)
    name = header.relative_to(ROOT)
    done = subprocess.run(call, cwd=folder, input=f'#include "{name}"\n', capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else f"{name} does not compile alone:\n{done.stderr}"


def main(build):
    commands = [c for c in json.loads((Path(build) / "compile_commands.json").read_text()) if c["file"].endswith(".cpp")]
    shown = {first_included(path) for path in sources() if path.suffix in (".cpp", ".cu")}
    headers = sorted(path for path in sources() if path.suffix == ".hpp" and path not in shown)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(lambda header: compile_alone(header, commands), headers))
    wrong = [result for result in results if result]
    print("\n".join(wrong))
    print(f"headers: {len(shown)} shown by a source file, {len(headers)} compiled alone, {len(wrong)} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
