"""`python -m benchmarks scale` measures plan, index, ranks, workers and driver, at any size."""

from benchmarks import scale


def test_every_part_is_measured_at_a_small_size(capsys):
    scale.main(["--samples", "40000", "--shards", "20", "--ranks", "4", "--workers", "10", "--quick"])
    output = capsys.readouterr().out
    for row in ("shuffle=True", 'shuffle="blocks"', "for each field", "reshard", "state", "each further batch"):
        assert row in output
    assert "at 10,000 batches/s" in output and "for each of 4 ranks" in output
