"""FedBuff takes more steps than FedAvg to the target, but less time and upload."""

import program
from experiment import mean, run


def test_async_fedbuff():
    with run("async_fedbuff", "--ranks", 2) as file:
        assert mean(file, "fed_buff", "rounds_to_target") > mean(file, "uniform", "rounds_to_target") > 0
        assert mean(file, "fed_buff", "time_to_target_us") < 0.1 * mean(file, "uniform", "time_to_target_us")
        assert mean(file, "fed_buff", "bytes_up") < mean(file, "uniform", "bytes_up")
        assert mean(file, "constant weights", "rounds_to_target") < mean(file, "fed_buff", "rounds_to_target")


program.main(globals())
