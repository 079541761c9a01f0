"""Medians, ratios, limits and goals, from numbers that are written down here."""

import pytest

from benchmarks.goals import Goal, judge
from benchmarks.results import make_rows


def record(system, rate, workload="images", number=0, **figures):
    return {"workload": workload, "system": system, "round": number, "samples_per_s": rate, **figures}


def rows_of(*records, workers=2):
    return {row.system: row for row in make_rows(records, workers)}


def test_the_median_of_the_rounds_stands_for_a_system():
    rows = rows_of(*(record("torch", rate, number=i) for i, rate in enumerate((90.0, 300.0, 100.0))))
    assert rows["torch"].figures == {"samples_per_s": 100.0} and rows["torch"].rounds == (90.0, 300.0, 100.0)


def test_the_limit_is_as_many_cores_as_there_are_workers():
    rows = rows_of(record("limit", 500.0), record("dataload thread", 900.0), workers=2)
    assert rows["limit"].figures["samples_per_s"] == 1000.0
    assert rows["dataload thread"].of_limit == pytest.approx(0.9)


def test_one_client_with_all_connections_is_the_limit_as_it_is():
    rows = rows_of(
        record("bare connections", 1000.0, "remote small"), record("dataload thread", 900.0, "remote small"), workers=2
    )
    assert rows["bare connections"].figures["samples_per_s"] == 1000.0
    assert rows["dataload thread"].of_limit == pytest.approx(0.9)


def test_rows_with_fast_are_measured_against_the_limit_with_fast():
    rows = rows_of(
        record("limit", 100.0, "speech"),
        record("limit +fast", 200.0, "speech"),
        record("dataload thread", 150.0, "speech"),
        record("dataload thread +fast", 300.0, "speech"),
    )
    assert rows["dataload thread"].of_limit == rows["dataload thread +fast"].of_limit == pytest.approx(0.75)


def test_the_best_peer_is_one_that_is_used_in_the_ordinary_way():
    rows = rows_of(record("torch", 100.0), record("torch, batches by hand", 900.0), record("dataload thread", 300.0))
    assert rows["dataload thread"].of_best_peer == 3.0 and rows["torch, batches by hand"].of_best_peer == 9.0


def test_where_less_is_better_the_ratio_is_turned_round():
    rows = rows_of(
        record("torch spawn", None, "start", first_batch_s=2.0),
        record("dataload process", None, "start", first_batch_s=0.5),
    )
    assert rows["dataload process"].of_best_peer == 4.0


def test_a_system_that_failed_in_one_round_has_no_figures_but_the_reason():
    rows = rows_of(record("torch", 100.0), {"workload": "images", "system": "torch", "round": 1, "error": "did other"})
    assert rows["torch"].figures == {} and rows["torch"].note == "did other"


RATE = Goal("images", "3 x best peer", ("dataload thread", "dataload process"), ("any peer",), 3.0)


@pytest.mark.parametrize(("rate", "met"), [(299.0, False), (300.0, True)])
def test_a_goal_compares_the_best_of_ours_with_the_best_peer(rate, met):
    rows = rows_of(
        record("dataload thread", 10.0),
        record("dataload process", rate),
        record("torch", 100.0),
        record("spdl", 90.0),
        record("torch, batches by hand", 5000.0),
    )
    (verdict,) = judge(list(rows.values()), [RATE])
    assert verdict.met is met and verdict.source == "dataload process / torch"


def test_a_cost_must_stay_below_its_bound():
    goal = Goal("start", "0.4 x torch spawn", ("dataload process",), ("torch spawn",), 0.4, "first_batch_s")
    rows = make_rows(
        [
            record("torch spawn", None, "start", first_batch_s=1.0),
            record("dataload process", None, "start", first_batch_s=0.5),
        ],
        workers=2,
    )
    (verdict,) = judge(rows, [goal])
    assert verdict.reached == 0.5 and verdict.met is False


def test_a_goal_without_peers_compares_the_figure_itself():
    goal = Goal("growth samples", "under 50 MB", ("10^9 samples",), (), 50.0, "added_mb")
    rows = make_rows([record("10^9 samples", 1.0, "growth samples", added_mb=12.0)], workers=2)
    (verdict,) = judge(rows, [goal])
    assert verdict.reached == 12.0 and verdict.met is True


def test_a_goal_that_was_not_measured_is_neither_met_nor_missed():
    rows = make_rows([record("dataload thread", 100.0)], workers=2)
    (verdict,) = judge(rows, [RATE])
    assert verdict.reached is None and verdict.met is None


def test_a_view_looks_at_the_runs_of_its_workload():
    goal = Goal("main thread", "Grain's", ("dataload process",), ("grain processes",), 1.0, "main_ms_per_batch")
    rows = make_rows(
        [
            record("dataload process", 9.0, "speech", main_ms_per_batch=0.3),
            record("grain processes", 9.0, "speech", main_ms_per_batch=0.1),
        ],
        workers=2,
    )
    (verdict,) = judge(rows, [goal])
    assert verdict.reached == pytest.approx(3.0) and verdict.met is False
    assert judge(make_rows([record("torch", 1.0)], 2), [goal]) == []
