"""What `preset` makes of a name and of parameters; its numbers are compared with the packages elsewhere."""

from dataclasses import dataclass

import pytest

from dataload.errors import ConfigError
from dataload.transforms import MFCC, Chroma, Energy, LogMel, MelSpectrogram, Normalize, Spectrogram
from dataload.transforms.spectral.presets import PRESETS

KINDS = {kind.__name__: kind for kind in (Spectrogram, MelSpectrogram, LogMel, MFCC, Chroma, Energy)}
ALL = [(kind, name) for kind, table in PRESETS.items() for name in table]


def test_every_transform_with_presets_is_tried_here():
    assert set(PRESETS) == set(KINDS)
    assert set(PRESETS["LogMel"]) == {"librosa", "torchaudio", "kaldi", "tf.signal", "whisper", "nemo"}


@pytest.mark.filterwarnings("ignore:mel filters without")
@pytest.mark.parametrize(("kind", "name"), ALL)
def test_the_repr_of_a_preset_makes_it_again(kind, name):
    transform = KINDS[kind].preset(name)
    assert type(transform) is KINDS[kind]
    assert eval(repr(transform)) == transform


def test_the_repr_says_what_a_preset_became():
    assert repr(LogMel.preset("kaldi", n_mels=80)) == (
        "LogMel(16000, n_fft=512, window='povey', periodic=False, window_align='left', center=False, "
        "pad_mode='symmetric', scale=32768.0, remove_dc=True, pre_emphasis=0.97, pre_emphasis_on='frame', "
        "f_min=20.0, mel_scale='htk', norm=None, triangles='mel', floor=1.1920928955078125e-07)"
    )


@pytest.mark.parametrize(
    ("transform", "numbers"),
    [
        (LogMel.preset("librosa"), (22_050, 2048, 2048, 512, 128)),
        (LogMel.preset("librosa", n_fft=1024, n_mels=64), (22_050, 1024, 1024, 256, 64)),
        (LogMel.preset("librosa", win_length=400), (22_050, 2048, 400, 100, 128)),
        (LogMel.preset("kaldi", sample_rate=8_000), (8_000, 256, 200, 80, 23)),
        (LogMel.preset("kaldi", sample_rate=22_050), (22_050, 1024, 551, 220, 23)),
        (LogMel.preset("tf.signal", win_length=400, hop_length=160), (16_000, 512, 400, 160, 80)),
        (LogMel.preset("whisper"), (16_000, 400, 400, 160, 80)),
        (LogMel.preset("nemo", sample_rate=8_000, n_mels=64), (8_000, 256, 200, 80, 64)),
    ],
    ids=repr,
)
def test_what_follows_from_a_parameter_follows_as_in_the_reference(transform, numbers):
    t = transform
    assert (t.sample_rate, t.n_fft, t.win_length, t.hop_length, t.n_mels) == numbers


@pytest.mark.filterwarnings("ignore:mel filters without")
def test_a_given_parameter_replaces_that_of_the_preset_even_by_nothing():
    assert LogMel.preset("librosa", top_db=None).top_db is None
    assert LogMel.preset("whisper", normalize=None).normalize is None
    assert LogMel.preset("nemo").normalize == Normalize(ddof=1)
    assert LogMel.preset("torchaudio", sample_rate=22_050).f_max == 11_025


def test_an_unknown_preset_is_refused_with_those_that_there_are():
    with pytest.raises(ConfigError) as caught:
        LogMel.preset("htk")
    assert str(caught.value) == (
        "there is no preset 'htk' of LogMel: there is 'librosa', 'torchaudio', 'kaldi', 'tf.signal', 'whisper', 'nemo'"
    )


def test_a_transform_that_the_reference_has_not_is_refused_with_those_that_it_has():
    with pytest.raises(ConfigError) as caught:
        Spectrogram.preset("whisper")
    assert str(caught.value) == (
        "there is no preset 'whisper' of Spectrogram: there is 'librosa', 'torchaudio', 'tf.signal'; "
        "'whisper' is one of LogMel"
    )


def test_an_unknown_parameter_is_refused():
    with pytest.raises(TypeError, match="n_bins"):
        LogMel.preset("kaldi", n_bins=80)


def test_a_parameter_that_cannot_work_is_refused():
    with pytest.raises(ConfigError, match=r"f_max=7600.0 must not be above 4000 Hz"):
        LogMel.preset("tf.signal", sample_rate=8_000)


def test_a_subclass_has_the_presets_of_its_base():
    @dataclass(frozen=True, repr=False)
    class Mine(LogMel):
        pass

    assert Mine.preset("kaldi").window == "povey"
    assert type(Mine.preset("kaldi")) is Mine
