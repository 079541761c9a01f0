"""The files of a folder: each once, whatever patterns and links lead to it, and in finite time."""

import glob
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataload import FileSource
from dataload.errors import ConfigError, SourceNotFound
from dataload.sources.walk import as_patterns, matching_files


@pytest.fixture
def folder(tmp_path):
    for name in ("a.wav", "B.WAV", "c.flac", "sub/d.wav", "sub/deep/e.Flac", "notes.txt"):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path / "data"


def names(folder, *arguments, **options):
    return [str(Path(path).relative_to(folder)) for path in FileSource(folder, *arguments, **options)]


def test_links_that_lead_round_in_circles_end(folder):
    before = FileSource(folder, "**/*").fingerprint()
    # Two of them: by the rules of `glob` there are 2^40 paths before the system gives up.
    for name in ("one", "two", "sub/up", "sub/deep/top"):
        (folder / name).symlink_to(folder)
    (folder / "self").symlink_to("self")
    (folder / "gone").symlink_to("nowhere")
    assert FileSource(folder, "**/*").fingerprint() == before


def test_a_folder_that_several_links_lead_to_is_visited_once(folder, tmp_path):
    pool = tmp_path / "pool"
    pool.mkdir()
    (pool / "x.wav").write_text("x")
    for name in ("second", "first", "sub/third"):
        (folder / name).symlink_to(pool)
    assert names(folder, "**/*.wav") == ["a.wav", "first/x.wav", "sub/d.wav"]
    assert names(folder, "second/*.wav") == ["second/x.wav"]
    assert names(folder, "*/*.wav") == ["first/x.wav", "sub/d.wav"]


def test_a_file_that_links_lead_to_is_listed_once_under_its_own_name(folder):
    (folder / "0.wav").symlink_to("a.wav")
    (folder / "z.wav").symlink_to("a.wav")
    assert names(folder, "*.wav") == ["a.wav"]
    assert names(folder, "[0z].wav") == ["0.wav"]
    os.link(folder / "a.wav", folder / "b.wav")
    assert names(folder, "*.wav") == ["a.wav", "b.wav"], "hard links are files like others"


def test_what_is_no_regular_file_is_left_out(folder):
    os.mkfifo(folder / "pipe.wav")
    (folder / "device.wav").symlink_to("/dev/zero")
    assert names(folder, "*.wav") == ["a.wav"]


def test_several_patterns_list_a_file_once(folder):
    assert names(folder, ["*.wav", "a.*", "**/*.wav"]) == ["a.wav", "sub/d.wav"]
    assert names(folder, ("*.flac", "*.wav")) == ["a.wav", "c.flac"]
    assert FileSource(folder, ["*.wav"]).fingerprint() == FileSource(folder, "*.wav").fingerprint()
    assert "['*.flac', '*.wav']" in repr(FileSource(folder, ["*.flac", "*.wav"]))


def test_braces_name_choices(folder):
    assert names(folder, "*.{wav,flac}") == ["a.wav", "c.flac"]
    assert names(folder, "**/{a,d,c}.{wav,flac}") == ["a.wav", "c.flac", "sub/d.wav"]
    assert names(folder, "{sub,sub/deep}/*") == ["sub/d.wav", "sub/deep/e.Flac"]
    assert as_patterns("x{a,b{c,d}}") == ["xa", "xbc", "xbd"]
    assert as_patterns("x{08..10}") == ["x08", "x09", "x10"]
    assert as_patterns(["{one}", "a.{}"]) == ["{one}", "a.{}"]
    (folder / "{one}.wav").write_text("")
    assert names(folder, "{one}.wav") == ["{one}.wav"]


def test_upper_and_lower_case_are_alike_where_that_is_asked_for(folder):
    assert names(folder, "*.wav") == ["a.wav"]
    assert names(folder, "*.wav", ignore_case=True) == ["B.WAV", "a.wav"]
    assert names(folder, "SUB/**/*.{WAV,FLAC}", ignore_case=True) == ["sub/d.wav", "sub/deep/e.Flac"]


def test_patterns_that_are_none_are_refused(folder):
    for pattern in (3, [], "", [""], ["*.wav", 3], b"*.wav", None):
        with pytest.raises(ConfigError, match="must be a text such as"):
            FileSource(folder, pattern)
    with pytest.raises(ConfigError, match="stands for more than 1000 patterns"):
        FileSource(folder, "{a,b}" * 20)
    with pytest.raises(ConfigError, match=r"ignore_case=.* must be True or False"):
        FileSource(folder, ignore_case=str)
    with pytest.raises(SourceNotFound, match=r"no file in .* matches \['\*\.mp3', '\*\.ogg'\]"):
        FileSource(folder, ["*.mp3", "*.ogg"])


PARTS = st.sampled_from(["a", "b", ".h", "[x]", "é", "x.wav", "y.WAV", ".z.wav"])
TREES = st.lists(st.lists(PARTS, min_size=1, max_size=4).map("/".join), max_size=25)
PATTERNS = [
    *("**/*", "*", "*.wav", "**/*.wav", "**", "a/**", "a/*/*.wav", "*/**/*.wav", ".h/*", "**/.h/*", "./*.wav"),
    *("a/../*.wav", "[[]x]/*", "**/a/**/*.wav", "a/x.wav", "a/", "**/", "**.wav", "*/a/*", "**/.*", "?.wav", "[!a]/*"),
]


@settings(max_examples=60)
@given(tree=TREES, pattern=st.sampled_from(PATTERNS))
def test_without_links_the_files_are_those_of_glob(tmp_path_factory, tree, pattern):
    root = tmp_path_factory.mktemp("tree")
    for name in tree:
        try:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).touch()
        except OSError:  # a file stands where a folder should
            pass
    found = {name for name in glob.glob(pattern, root_dir=root, recursive=True) if (root / name).is_file()}
    listed = matching_files(str(root), as_patterns(pattern))
    assert sorted(listed) == sorted(found)
