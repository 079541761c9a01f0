"""Turns and rounds: the order rotates, and medians stand for each case."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataload.measuring import Rounds, race, turns


@given(st.integers(1, 6), st.integers(1, 8), st.integers(0, 3))
def test_every_case_comes_once_per_round_and_each_round_begins_one_further_on(cases, rounds, warm_up):
    names = [f"case {i}" for i in range(cases)]
    order = {}
    for number, name in turns(names, rounds, warm_up=warm_up):
        order.setdefault(number, []).append(name)
    assert list(order) == list(range(-warm_up, rounds))
    assert all(sorted(found) == names for found in order.values())
    assert [order[number][0] for number in range(rounds)] == [names[number % cases] for number in range(rounds)]
    assert all(order[number] == names for number in range(-warm_up, 0))


def test_no_cases_have_no_turns():
    assert list(turns([], 3)) == [] and race([], lambda case, number: 1.0, rounds=3) == {}


def test_a_race_drops_the_warm_up_and_tells_the_number_of_the_round():
    steps = []
    found = race(
        ["a", "b"], lambda case, number: (case, number), rounds=2, warm_up=1, on_measured=lambda: steps.append(1)
    )
    assert found == {"a": [("a", 0), ("a", 1)], "b": [("b", 0), ("b", 1)]}
    assert len(steps) == 6


def test_the_ratio_is_taken_within_rounds_whose_halves_ran_side_by_side():
    assert Rounds((2.0, 6.0, 4.0)).ratio(Rounds((1.0, 2.0, 4.0))) == 2.0
    assert Rounds((3.0, 1.0, 2.0)).median == 2.0 and Rounds((3.0, 1.0, 2.0)).spread == 3.0
    with pytest.raises(ValueError, match="shorter"):
        Rounds((1.0, 2.0)).ratio(Rounds((1.0,)))
