"""Sources of other libraries are used as they are."""

import pytest

from dataload import Loader
from dataload.errors import ConfigError, SourceError


def test_getitems_is_called_once_per_batch_where_it_exists():
    class Counting(list):
        calls = 0

        def __getitems__(self, indices):
            self.calls += 1
            return [self[i] for i in indices]

    source = Counting(range(10))
    assert [batch.tolist() for batch in Loader(source, batch_size=5)] == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]
    assert source.calls == 2

    class Wrong(Counting):
        def __getitems__(self, indices):
            return [1]

    with pytest.raises(SourceError, match="returned 1 samples for 5 indices"):
        list(Loader(Wrong(range(10)), batch_size=5))


@pytest.mark.parametrize("source", [iter([1]), {"a": 1}, "folder", (x for x in [1]), list, 3])
def test_what_is_no_source_is_refused(source):
    with pytest.raises(ConfigError, match="source is"):
        Loader(source)
