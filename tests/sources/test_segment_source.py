"""Windows of long recordings: none is lost, none is empty, and none is decoded before its time."""

from pathlib import Path

import conformance
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from dataload import ArraySource, FileSource, Loader, Segment, SegmentSource, TableSource
from dataload.errors import ConfigError, DecodeError, FieldError, SourceError, SourceNotFound
from dataload.transforms import DecodeAudio, LogMel

RATE = 8_000


@pytest.fixture
def talks(tmp_path):
    """Three recordings of 5, 2.5 and 0.4 s."""
    rng = np.random.default_rng(0)
    for name, seconds in (("a.wav", 5), ("b.flac", 2.5), ("c.wav", 0.4)):
        soundfile.write(tmp_path / name, rng.uniform(-0.5, 0.5, round(seconds * RATE)), RATE, subtype="PCM_16")
    return tmp_path


def test_it_keeps_the_contract_of_a_source(talks):
    conformance.check_source(SegmentSource(FileSource(talks, "*.*"), 1.0), length=5 + 3 + 1)
    fields = FileSource(talks, "*.*", audio=str, name=lambda path: path.stem)
    conformance.check_source(SegmentSource(fields, 1.0, hop=0.5, field="audio"), length=9 + 4 + 1)
    conformance.check_source(SegmentSource(sorted(map(str, talks.iterdir())), 2.0, drop_last=True), length=2 + 1)


def test_windows_come_in_the_order_of_files_and_time(talks):
    source = SegmentSource(
        FileSource(talks, "*.*", audio=str, name=lambda path: path.stem), 2.0, hop=1.5, field="audio"
    )
    assert list(source) == [
        {"audio": Segment(str(talks / "a.wav"), 0.0, 2.0), "name": "a"},
        {"audio": Segment(str(talks / "a.wav"), 1.5, 2.0), "name": "a"},
        {"audio": Segment(str(talks / "a.wav"), 3.0, 2.0), "name": "a"},
        {"audio": Segment(str(talks / "b.flac"), 0.0, 2.0), "name": "b"},
        {"audio": Segment(str(talks / "b.flac"), 1.5, 2.0), "name": "b"},
        {"audio": Segment(str(talks / "c.wav"), 0.0, 2.0), "name": "c"},
    ]
    assert source.describe(4) == f"{talks / 'b.flac'} at 1.5 s"
    assert repr(source).endswith("window=2, hop=1.5: 6 windows)")


@settings(max_examples=60)
@given(
    frames=st.integers(1, 3_000),
    window=st.floats(0.001, 0.4),
    hop=st.floats(0.001, 0.4) | st.none(),
    rate=st.sampled_from([8_000, 11_025]),
)
def test_windows_reach_the_end_and_begin_before_it(tmp_path_factory, frames, window, hop, rate):
    path = tmp_path_factory.getbasetemp() / "windows.wav"
    soundfile.write(path, np.arange(frames) / 4_000, rate, subtype="FLOAT")
    source = SegmentSource([str(path)], window, hop=hop)
    waves = [DecodeAudio(rate)(segment) for segment in source]
    spans = [(round(segment.offset * rate), len(wave)) for segment, wave in zip(source, waves, strict=True)]
    length = round(window * rate)
    for (start, n), wave in zip(spans, waves, strict=True):
        np.testing.assert_array_equal(wave, (np.arange(start, start + n) / 4_000).astype(np.float32))
        assert n == min(length, frames - start)
    assert spans[0][0] == 0
    if (hop or window) <= window:
        assert spans[-1][0] + spans[-1][1] == frames, "the end is in a window"
    assert all(start + n < frames for start, n in spans[:-1]), "only the last window reaches the end"
    whole = [span for span in spans if span[1] == length]
    if whole:
        dropped = SegmentSource([str(path)], window, hop=hop, drop_last=True)
        assert [round(segment.offset * rate) for segment in dropped] == [start for start, _ in whole]


def test_a_window_that_fits_exactly_is_the_last(talks):
    for hop in (0.1, 0.3, 0.7):
        soundfile.write(talks / "d.wav", np.zeros(round(hop * RATE) * 7), RATE)
        source = SegmentSource([str(talks / "d.wav")], hop)
        assert len(source) == len(SegmentSource([str(talks / "d.wav")], hop, drop_last=True)) == 7


@pytest.mark.slow
@pytest.mark.parametrize(("worker", "num_workers"), [("thread", 0), ("thread", 2), ("process", 2)])
def test_a_loader_reads_windows_and_the_same_ones_after_a_resume(talks, worker, num_workers):
    source = SegmentSource(FileSource(talks, "*.*", audio=str), 0.5, hop=0.25, field="audio")

    def loader(**options):
        return Loader(
            source,
            transforms={"audio": [DecodeAudio(RATE), LogMel(RATE, n_mels=20)]},
            batch_size=5,
            shuffle=True,
            **options,
        )

    batches = list(loader())
    assert sum(len(batch["audio"]) for batch in batches) == len(source) == 19 + 9 + 1
    stopped = loader()
    iterator = iter(stopped)
    for _ in range(2):
        next(iterator)
    with loader(worker=worker, num_workers=num_workers) as resumed:
        resumed.load_state_dict(stopped.state_dict())
        for a, b in zip(resumed, batches[2:], strict=True):
            assert conformance.equal(a, b)


def test_a_table_of_paths_is_a_source_of_windows(talks):
    paths = [str(talks / "b.flac"), str(talks / "a.wav")]
    pq.write_table(pa.table({"path": paths, "speaker": ["x", "y"]}), talks / "talks.parquet")
    source = SegmentSource(TableSource(talks / "talks.parquet"), 2.5, field="path")
    assert [sample["speaker"] for sample in source] == ["x", "y", "y"]
    assert source[2]["path"] == Segment(paths[1], 2.5, 2.5)
    pairs = SegmentSource([(path, i) for i, path in enumerate(paths)], 2.5, field=0)
    assert pairs[1] == (Segment(paths[1], 0.0, 2.5), 1)


def test_other_lengths_and_other_windows_have_another_fingerprint(talks):
    def fingerprint(**options):
        return SegmentSource(FileSource(talks, "*.*"), **{"window": 1.0, **options}).fingerprint()

    prints = {fingerprint(), fingerprint(window=1.1), fingerprint(hop=0.5), fingerprint(drop_last=True)}
    assert len(prints) == 4 and fingerprint() == fingerprint(hop=1.0)
    before = fingerprint()
    soundfile.write(talks / "c.wav", np.zeros(3_000), RATE)
    assert fingerprint() != before


def test_making_the_source_decodes_nothing(talks, monkeypatch):
    monkeypatch.setattr(soundfile.SoundFile, "read", lambda *_: pytest.fail("decoded"))
    assert len(SegmentSource(FileSource(talks, "*.*"), 1.0)) == 9


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 0}, "window=0 must be a number of seconds above 0"),
        ({"window": 1.0, "hop": -1}, "hop=-1 must be a number of seconds above 0"),
        ({"window": "1 s"}, "window='1 s' must be a number of seconds above 0"),
        ({"window": 1e-9}, "window=1e-09 s is shorter than a sample at 8000 Hz"),
        ({"window": 1.0, "hop": 1e-9}, "hop=1e-09 s is shorter than a sample at 8000 Hz"),
        ({"window": 60.0, "drop_last": True}, "is as long as a window of 60.0 s: take a shorter window"),
    ],
)
def test_numbers_that_cannot_work_are_refused_by_name(talks, options, message):
    with pytest.raises(ConfigError) as caught:
        SegmentSource(FileSource(talks, "*.*"), **options)
    assert message in str(caught.value)


def test_samples_that_are_no_files_are_refused(talks):
    with pytest.raises(
        SourceError, match=r"needs paths of files but sample 0.*gives a dict.*field= one of \['audio'\]"
    ):
        SegmentSource(FileSource(talks, "*.*", audio=str), 1.0)
    with pytest.raises(FieldError, match="no field 'sound'"):
        SegmentSource(FileSource(talks, "*.*", audio=str), 1.0, field="sound")
    with pytest.raises(SourceError, match="gives a ndarray"):
        SegmentSource(ArraySource(np.zeros((3, 8))), 1.0)
    with pytest.raises(ConfigError, match="for a folder use FileSource"):
        SegmentSource(str(talks), 1.0)
    with pytest.raises(SourceNotFound, match=r"nowhere\.wav: no such file"):
        SegmentSource([str(talks / "nowhere.wav")], 1.0)
    (talks / "d.wav").write_text("this is a letter")
    with pytest.raises(DecodeError, match=r"d\.wav: cannot be decoded.*begins with b'this is a le"):
        SegmentSource(FileSource(talks, "*.*"), 1.0)
    with pytest.raises(IndexError, match="index 9 is outside"):
        SegmentSource([Path(talks / "a.wav")], 1.0)[9]
