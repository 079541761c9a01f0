"""The names that match a pattern are the same in a store as on a disk, in the same order."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import program, python

from dataload import FileSource
from dataload.errors import ConfigError, SourceNotFound
from dataload.sources.listing import name_matcher
from dataload.sources.walk import matching_files
from dataload.storage.base import Found

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


class Million:
    """A store with a million objects."""

    remote = True

    def url(self, name):
        return f"s3://bucket/{name}"

    def list(self, prefix, deep):
        for number in range(1_000_000):
            yield Found(f"{prefix}speaker-{number // 1000:04}/utterance-{number:08}.flac", number, f'"{number:032x}"')


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
def test_a_million_objects_take_less_than_150_megabytes(tmp_path):
    code = """
        import sys
        sys.path.insert(0, sys.argv[1])
        from sources.test_listing import Million
        from dataload.sources.listing import list_store
        def peak():
            return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
        before = peak()
        listing = list_store(Million(), "recordings", "**/*.flac", False)
        assert len(listing.names.ends) == 1_000_000 and listing.about(7) == (7, '"' + "0" * 31 + '7"')
        print((peak() - before) // 1024)
    """
    found = python(program(tmp_path, code), Path(__file__).parents[1], cwd=tmp_path)
    assert int(found) < 150, found
