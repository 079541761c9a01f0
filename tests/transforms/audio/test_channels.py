"""SelectChannel, MixChannels and PerChannel: several channels in, one or features of each out."""

import numpy as np
import pytest
import soundfile

from dataload import FileSource, Loader
from dataload.chain import Chain, Spec
from dataload.errors import ChainError, ConfigError, TransformError
from dataload.transforms import (
    MFCC,
    DecodeAudio,
    Gain,
    LogMel,
    MixChannels,
    PadOrTrim,
    PerChannel,
    RandomCrop,
    SelectChannel,
    SpecAugment,
)


@pytest.fixture
def stereo():
    return np.random.default_rng(0).uniform(-1, 1, (2, 8_000)).astype(np.float32)


def test_a_channel_is_taken_by_its_number(stereo):
    np.testing.assert_array_equal(SelectChannel(0)(stereo), stereo[0])
    np.testing.assert_array_equal(SelectChannel(-1)(stereo), stereo[1])
    with pytest.raises(TransformError, match=r"SelectChannel\(2\) got 2 channels: take one from 0 to 1"):
        SelectChannel(2)(stereo)


def test_channels_are_added_up_with_their_weights(stereo):
    np.testing.assert_allclose(MixChannels()(stereo), stereo.mean(axis=0), atol=1e-7)
    np.testing.assert_allclose(MixChannels((0.25, -2))(stereo), 0.25 * stereo[0] - 2 * stereo[1], atol=1e-6)
    with pytest.raises(TransformError, match="MixChannels has 3 weights but got 2 channels"):
        MixChannels((1, 2, 3))(stereo)


@pytest.mark.parametrize("transform", [LogMel(8_000), MFCC(8_000, n_mfcc=20)], ids=repr)
def test_features_of_each_channel_are_those_of_the_channel_alone(transform, stereo):
    longer = np.random.default_rng(1).uniform(-1, 1, (3, 9_000)).astype(np.float32)
    both = PerChannel(transform).batch([stereo, longer])
    assert both[0].shape[0] == 2 and both[1].shape[0] == 3
    for value, features in zip((stereo, longer), both, strict=True):
        np.testing.assert_array_equal(PerChannel(transform)(value), features)
        for channel, own in zip(value, features, strict=True):
            np.testing.assert_array_equal(transform(channel), own)


def test_plain_functions_work_per_channel(stereo):
    np.testing.assert_array_equal(PerChannel(np.flip)(stereo), stereo[:, ::-1])
    with pytest.raises(TransformError, match=r"shapes.*cannot be stacked"):
        PerChannel(lambda x: x[x > 0])(stereo)


def test_a_loader_gives_channels_frames_and_bins(tmp_path, stereo):
    for i, length in enumerate((8_000, 6_000, 7_000)):
        soundfile.write(tmp_path / f"{i}.wav", stereo.T[:length], 8_000, subtype="FLOAT")
    chain = [
        DecodeAudio(8_000, mono=False),
        RandomCrop(4_000, axis=-1),
        Gain(),
        PerChannel(LogMel(8_000, n_mels=40)),
        SpecAugment(),
    ]
    loader = Loader(FileSource(tmp_path, "*.wav", audio=str), transforms={"audio": chain}, batch_size=3)
    batch = next(iter(loader))
    assert batch["audio"].shape == (3, 2, 51, 40) and "audio_lengths" not in batch


@pytest.mark.parametrize(
    ("steps", "spec"),
    [
        ([DecodeAudio(8_000, mono=False), SelectChannel(0), LogMel(8_000)], Spec("features", 8_000, True)),
        ([DecodeAudio(8_000, mono=False), MixChannels()], Spec("waveform", 8_000, True)),
        ([DecodeAudio(8_000, mono=False), PerChannel(LogMel(8_000))], Spec(None, 8_000, True)),
        ([DecodeAudio(8_000, mono=False), PerChannel(PadOrTrim(50))], Spec(None, 8_000, False)),
    ],
    ids=str,
)
def test_a_chain_knows_what_comes_out(steps, spec):
    assert Chain(steps).spec == spec


@pytest.mark.parametrize(
    "steps",
    [
        [DecodeAudio(8_000), SelectChannel(0)],
        [DecodeAudio(8_000), MixChannels()],
        [DecodeAudio(8_000), PerChannel(LogMel(8_000))],
        [DecodeAudio(8_000, mono=False), PerChannel(LogMel(16_000))],
    ],
    ids=str,
)
def test_an_order_that_cannot_work_is_found_when_the_chain_is_made(steps):
    with pytest.raises(ChainError):
        Chain(steps)


@pytest.mark.parametrize("transform", [SelectChannel(0), MixChannels(), PerChannel(LogMel(8_000))], ids=repr)
@pytest.mark.parametrize("value", [np.zeros(80, np.float32), [[0.0]]])
def test_what_has_no_channels_is_refused(transform, value):
    with pytest.raises(TransformError, match=f"{type(transform).__name__} takes"):
        transform(value)


def test_arguments_that_cannot_work_are_refused_by_name():
    with pytest.raises(ConfigError, match="channel='left' must be an integer"):
        SelectChannel("left")
    with pytest.raises(ConfigError, match=r"weights=\(\) must be one number for each channel"):
        MixChannels(())
    with pytest.raises(ConfigError, match="weights=nan must be a finite number"):
        MixChannels((1, np.nan))
    with pytest.raises(ChainError, match=r"RandomCrop\(5\) is random.*put it into the chain as it is"):
        PerChannel(RandomCrop(5))
