"""Controls of agent_rules.toml need the sessions that an independent program found, as in agent_rules.py.

One row is weaker evidence than the others: it was open what an "irrelevant" hint says, and of three readings the one that
agrees was taken (a content token drawn anew each time).
"""

import math

import program
from study_cells import OBJECTIVES, cells, check_sessions, deviation

CONTROLS = {
    "coin judge": [43.3, 37.1, 45.4, 23.6, 30.5],
    "coin judge, wrong hints": [43.3, 48.3, 50.1, 43.5, 42.7],
    "always positive": [50.8, 36.8, 45.2, 28.8, 49.8],
    "opposite hints": [18.2, 57.5, 54.9, 42.7, 28.9],
    "irrelevant hints": [18.5, 38.6, 49.8, 17.6, 18.8],
    "live teacher": [18.2, 36.9, 41.4, 18.0, 17.0],
    "hints not stacked": [18.2, 38.5, 46.3, 17.2, 17.1],
    "nothing shared": [21.1, 39.1, 45.7, 19.9, 19.4],
    "nothing shared, separate": [33.8, 49.2, 49.7, 32.5, 32.8],
    "fresh policy per user": [27.4, 48.5, 49.4, 26.6, 25.9],
}


def test_controls():
    found = cells("agent_rules_controls")
    check_sessions(found, CONTROLS)
    nothing = found["no hints, opd_token"][0]["sessions"].mean()
    assert abs(nothing - 50.3) < 3 * math.sqrt(2) * 0.6, nothing  # no sample at all: the chance level
    notes, both = (found[f"{row}, combined"][1] for row in ("notes, no learning", "notes and learning"))
    assert notes.mean() < min(found[f"irrelevant hints, {o}"][1].mean() for o in OBJECTIVES) / 2, notes.mean()
    assert (both - notes).mean() + 3 * deviation(both - notes) / math.sqrt(len(notes)) < 0, both.mean()  # paired


program.main(globals())
