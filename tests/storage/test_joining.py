"""Ranges that are read in one request, and when that is worth it."""

from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from dataload.storage.base import Range
from dataload.storage.joining import Pace, join

RANGES = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 500), st.integers(0, 90)).map(
        lambda one: Range(one[0], one[1], one[1] + one[2])
    )
)


@given(RANGES, st.integers(0, 60))
@example([Range("a", 0, 0), Range("a", 1, 1), Range("a", 2, 2)], 1)
def test_every_range_lies_in_one_request_and_no_gap_is_larger_than_allowed(ranges, gap):
    joined = join(ranges, gap)
    assert sorted(place for one in joined for place in one.places) == list(range(len(ranges)))
    for one in joined:
        inner = [ranges[place] for place in one.places]
        assert all(r.name == one.range.name and one.range.start <= r.start <= r.stop <= one.range.stop for r in inner)
        # An empty range has a place too: what is beside it is near.
        end = one.range.start
        for r in sorted(inner):
            assert r.start - end <= gap
            end = max(end, r.stop)
    # No two requests that could have been one.
    for first, second in pairwise(joined):
        assert first.range.name != second.range.name or second.range.start - first.range.stop > gap


def test_what_a_gap_may_cost_follows_from_what_was_seen():
    pace = Pace()
    before = pace.worth()
    for _ in range(50):
        pace.seen(1_000, 0.030)
        pace.seen(10_000_000, 0.030 + 0.1)
    assert abs(pace.worth() - 0.030 * 100e6) < 0.05 * 3e6
    for _ in range(50):
        pace.seen(1_000, 0.001)
        pace.seen(10_000_000, 0.001 + 1.0)
    assert pace.worth() < before
