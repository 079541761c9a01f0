"""Lists and dicts that are one value: a batch holds one per sample."""

import pickle

import numpy as np
import pytest

from dataload import Loader, pad, stack
from dataload.whole import WholeDict, WholeList


@pytest.mark.parametrize("collate", [stack, pad])
@pytest.mark.parametrize("lists", [[["a", "b"], ["c"]], [[], ["c"]], [["c"], []], [["a", "b"], ["c", "d"]]])
def test_lists_of_texts_are_one_list_per_sample(collate, lists):
    batch = next(iter(Loader([{"tags": tags} for tags in lists], batch_size=2, collate_fn=collate)))
    assert batch["tags"] == lists


@pytest.mark.parametrize("collate", [stack, pad])
def test_whole_values_are_not_opened_whatever_is_beside_them(collate):
    matrix = np.ones((2, 2))
    ragged = WholeList([np.ones(1), np.ones(2)])
    for values in (
        [ragged, matrix],
        [matrix, ragged],
        [WholeDict(a=1), WholeDict(b=2)],
        [WholeList(), None],
        [None, WholeList()],
        ["a", WholeDict()],
        [WholeList(), 1],
    ):
        batch = collate([{"x": value} for value in values])["x"]
        assert type(batch) is list and len(batch) == 2
        assert [type(value) for value in batch] == [
            {WholeList: list, WholeDict: dict}.get(type(value), type(value)) for value in values
        ]


def test_whole_values_are_lists_and_dicts_and_travel():
    for value in (WholeList([1, "a"]), WholeDict(a=1)):
        copy = pickle.loads(pickle.dumps(value))
        assert copy == value and type(copy) is type(value) and repr(value) == repr(type(value).__mro__[1](value))


def test_positions_of_a_list_that_is_no_list_of_texts_are_still_gathered():
    assert [part if isinstance(part, list) else part.tolist() for part in stack([["a", 1], ["b", 2]])] == [
        ["a", "b"],
        [1, 2],
    ]
