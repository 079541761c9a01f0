"""The names that match a pattern are the same in a store as on a disk, in the same order."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataload import FileSource
from dataload.errors import ConfigError, SourceNotFound
from dataload.sources.listing import name_matcher
from dataload.sources.walk import matching_files

PARTS = st.sampled_from(["a", "b.wav", "A.WAV", ".h", "c-1.flac", ".x.wav", "ab"])
NAMES = st.lists(st.lists(PARTS, min_size=1, max_size=3).map("/".join), min_size=1, max_size=12)
PATTERNS = st.lists(
    st.sampled_from(["*", "**", "*.wav", "a", ".h", ".*", "?", "[!c]*", "c-?.flac", "b*"]), min_size=1, max_size=3
)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(NAMES, PATTERNS.map("/".join), st.booleans())
def test_a_pattern_means_the_same_in_a_store_as_on_a_disk(tmp_path_factory, names, pattern, ignore_case):
    root = tmp_path_factory.mktemp("tree")
    for name in names:
        path = root / name
        if not path.exists() and not any(
            (root / part).is_file() for part in path.relative_to(root).parents if str(part) != "."
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    there = [path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()]
    matches = name_matcher([pattern], ignore_case)
    assert sorted(filter(matches, there)) == sorted(matching_files(str(root), [pattern], ignore_case))


def test_names_are_taken_in_their_order_from_a_list_and_from_manifests(tmp_path):
    import pyarrow as pa
    from pyarrow import parquet

    for name in ("b.wav", "a.wav", "deep/c.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    names = ["deep/c.wav", "a.wav"]
    (tmp_path / "list.txt").write_text("\n".join([*names, ""]), encoding="utf-8-sig")
    parquet.write_table(pa.table({"label": [1, 2], "name": names}), tmp_path / "list.parquet")
    parquet.write_table(pa.table({"x": [1]}), tmp_path / "other.parquet")
    expected = [str(tmp_path / name) for name in names]
    for given_names in (names, tmp_path / "list.txt", str(tmp_path / "list.parquet")):
        assert list(FileSource(tmp_path, names=given_names)) == expected
    for bad, error, text in [
        (["a", "a"], ConfigError, "names has 'a' twice"),
        ([], SourceNotFound, "has no names in it"),
        ([3], ConfigError, "names holds 3"),
        (tmp_path / "other.parquet", ConfigError, r"has the columns \['x'\]: one of text must be named 'name'"),
        (tmp_path / "no.txt", SourceNotFound, "no such file"),
    ]:
        with pytest.raises(error, match=text):
            FileSource(tmp_path, names=bad)
    with pytest.raises(ConfigError, match="leave out the pattern"):
        FileSource(tmp_path, "*.wav", names=names)
