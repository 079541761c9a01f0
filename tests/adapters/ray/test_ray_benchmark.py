"""`python -m benchmarks ray` compares the kinds on small data and prints a table."""

import pytest


@pytest.mark.slow
def test_it_compares_both_kinds(tmp_path, capsys):
    from benchmarks import ray as command

    command.main(["--quick", "--workers", "1", "--rounds", "1", "--seconds", "0.2", "--goals", "--data", str(tmp_path)])
    printed = capsys.readouterr().out
    assert "main-thread ms/batch" in printed and "ray >= 0.85 x process on speech" in printed
