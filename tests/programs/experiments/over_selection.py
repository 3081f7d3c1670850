"""Over-selection saves the time of waiting for stragglers and wastes the work that the file states."""

import math

import program
from experiment import mean, run


def test_over_selection():
    with run("over_selection", "--ranks", 2) as file:
        time = {label: mean(file, label, "time_to_target_us") for label in ("none", "130 %")}
        assert 0 < time["130 %"] < 0.3 * time["none"], time  # stated: 83 and 476 s
        assert 1.2 < mean(file, "130 %", "bytes_up") / mean(file, "none", "bytes_up") < 1.6
        for cell in file["cells"].values():
            outcomes = cell["clients"]["outcome"]
            invited = 65 if cell.attrs["label"] == "130 %" else 50
            rounds = len(cell["rounds"])
            assert len(outcomes) == invited * rounds
            # Without over-selection all reports are awaited, so none is late; 8 % of the invited clients drop out.
            assert (outcomes == -1).any() == (invited == 65)
            dropouts = (outcomes > 0).mean()
            assert abs(dropouts - 0.08) < 5 * math.sqrt(0.08 * 0.92 / len(outcomes)), dropouts


program.main(globals())
