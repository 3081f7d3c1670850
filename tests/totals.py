"""Adds up ctest's JUnit reports and prints `N passed, N failed[, N skipped]`; the exit status tells whether any failed.

Every test of a GoogleTest program counts; any other program counts as one test. The tests of a program that ran on
several ranks are counted once.
"""

import argparse
import re
import sys
import xml.etree.ElementTree as xml

SUMMARY = re.compile(r"\[  (PASSED|FAILED|SKIPPED) +\] (\d+) tests?(?:\.|,)")


def count(case):
    """Passed, failed and skipped tests of one ctest entry."""
    if case.get("status") in ("notrun", "disabled") or case.find("skipped") is not None:
        # ctest reports `notrun` for a program that exited with "skipped" and for one that could not be built.
        skipped = "SKIP" in (case.findtext("skipped") or "") + "".join(s.get("message", "") for s in case.iter("skipped"))
        return (0, 0, 1) if skipped or case.get("status") == "disabled" else (0, 1, 0)
    single = {"PASSED": 0, "FAILED": 0, "SKIPPED": 0}
    found = SUMMARY.findall(case.findtext("system-out") or "")
    for what, number in found:
        single[what] = max(single[what], int(number))
    if case.get("status") == "fail":
        return single["PASSED"], max(1, single["FAILED"]), single["SKIPPED"]
    return (single["PASSED"], single["FAILED"], single["SKIPPED"]) if found else (1, 0, 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reports", nargs="*", help="files written by ctest --output-junit")
    parser.add_argument("--broken", type=int, default=0, help="stages that failed outside a test; counted as failed")
    arguments = parser.parse_args()
    total = [0, arguments.broken, 0]
    for report in arguments.reports:
        for case in xml.parse(report).getroot().iter("testcase"):
            total = [a + b for a, b in zip(total, count(case))]
    passed, failed, skipped = total
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
