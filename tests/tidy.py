"""Runs clang-tidy (.clang-tidy) over source files, several at a time, and prints what it finds.

    .venv/bin/python tests/tidy.py BUILD_FOLDER FILE...     reads the flags from the build's compile_commands.json
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
TIDY = ROOT / ".venv/bin/clang-tidy"


def commands_for_clang(build):
    """Writes the build's compiler calls without what is GCC's own: warnings (the build has them), its precompiled header."""
    commands = json.loads((build / "compile_commands.json").read_text())
    for command in commands:
        words = iter(shlex.split(command["command"]))
        call = []
        for word in words:
            if word == "-include":
                next(words)
            elif not word.startswith("-W") and word != "-fpch-preprocess" and "ccache" not in Path(word).name:
                call.append(word)
        command["command"] = shlex.join([*call, "-w"])
    folder = build / "tidy"
    folder.mkdir(exist_ok=True)
    (folder / "compile_commands.json").write_text(json.dumps(commands))
    return folder, {Path(command["file"]) for command in commands}


def findings(file, database):
    done = subprocess.run([TIDY, "-p", database, "--quiet", file], capture_output=True, text=True, check=False, cwd=ROOT)
    wrong = done.stdout.strip() or (done.stderr.strip() if done.returncode else "")
    return re.sub(rf"^{re.escape(str(ROOT))}/", "", wrong, flags=re.MULTILINE)


def main(build, names):
    database, built = commands_for_clang(Path(build).resolve())
    files = [ROOT / name for name in names if ROOT / name in built]
    with ThreadPoolExecutor(int(os.environ.get("SHOAL_JOBS", os.cpu_count()))) as pool:
        seen = set()  # a finding in a header is printed once
        for found in pool.map(lambda file: findings(file, database), files):
            if found and found not in seen:
                print(found, flush=True)
            seen.add(found)
    wrong = len(seen - {""})
    print(f"clang-tidy: {len(files)} files, " + (f"{wrong} different outputs with findings" if wrong else "ok"))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
