"""`python -m benchmarks gpu` runs its three loops on whatever device it is given."""

import pytest
import torch

from benchmarks import gpu


def test_the_three_loops_are_timed_and_compared(capsys):
    gpu.main(["--device", "cpu", "--batch-size", "2", "--steps", "2", "--rounds", "1", "--goals"])
    output = capsys.readouterr().out
    for row in ("resident batch", "to_dataloader", "copied by the loop"):
        assert row in output
    assert "1.000" in output and "gpu: to_dataloader <= 1.03 x resident" in output
    assert "met" in output.split() or "missed" in output.split()


def test_goals_are_shown_where_they_are_asked_for_only(capsys):
    gpu.main(["--device", "cpu", "--batch-size", "2", "--steps", "1", "--rounds", "1"])
    assert "goal" not in capsys.readouterr().out


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_device_it_says_so():
    with pytest.raises(SystemExit, match="no CUDA device here"):
        gpu.main([])
