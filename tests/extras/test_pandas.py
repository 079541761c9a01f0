"""Frames of pandas as a source: refused, with what to pass instead."""

import pandas as pd
import pyarrow as pa
import pytest

from dataload import ConcatSource, Loader
from dataload.errors import ConfigError


@pytest.mark.parametrize(
    ("table", "mend"),
    [
        (pd.Series([10, 20], index=[1, 0]), r"pandas Series.*list\(series\)"),
        (pd.DataFrame({"a": [1, 2]}), r'pandas DataFrame.*to_dict\("records"\)'),
    ],
)
def test_a_frame_is_refused_with_the_mend(table, mend):
    with pytest.raises(ConfigError, match=mend):
        Loader(table)
    with pytest.raises(ConfigError, match=mend):
        ConcatSource([1], table)


def test_the_mends_give_rows_in_order():
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}, index=[1, 0])
    for source in (frame.to_dict("records"), pa.table({"a": [1, 2], "b": ["x", "y"]}).to_pylist()):
        batch = next(iter(Loader(source, batch_size=2)))
        assert batch["a"].tolist() == [1, 2] and batch["b"] == ["x", "y"]
    assert next(iter(Loader(list(frame["a"]), batch_size=2))).tolist() == [1, 2]
