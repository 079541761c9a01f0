"""Single rules of other packages: which mel filters are empty, unbiased deviations, CMVN, where silence ends."""

import kaldi_native_fbank as knf
import librosa
import numpy as np
import pytest
import torch

from dataload.transforms import LogMel, Normalize, TrimSilence


@pytest.mark.filterwarnings("ignore:Empty filters")
def test_empty_mel_filters_are_named_once():
    bank = librosa.filters.mel(sr=8_000, n_fft=200, n_mels=111, htk=True)
    empty = [str(i) for i, row in enumerate(bank) if not row.any()]
    with pytest.warns(UserWarning) as seen:
        transform = LogMel(8_000, n_mels=111, mel_scale="htk")
        LogMel(8_000, n_mels=111, mel_scale="htk")
    [warning] = seen
    assert len(empty) > 1
    assert f"give zeros: {', '.join(empty)} ({len(empty)} of 111); use fewer n_mels" in str(warning.message)
    assert warning.filename == __file__
    features = transform(np.random.default_rng(0).standard_normal(800).astype(np.float32))
    assert np.isfinite(features).all()


def test_the_unbiased_deviation_is_that_of_torch():
    x = np.random.default_rng(0).standard_normal((50, 4)).astype(np.float32)
    t = torch.from_numpy(x)
    expected = (t - t.mean(0)) / (t.std(0) + 1e-5)
    np.testing.assert_allclose(Normalize(ddof=1)(x), expected, atol=1e-5)
    np.testing.assert_array_equal(Normalize(ddof=1)(x[:1]), np.zeros((1, 4)))


def test_normalization_of_each_utterance_equals_that_of_kaldi():
    x = np.random.default_rng(0).standard_normal((50, 4)).astype(np.float32)
    stats = knf.compute_cmvn_stats(x)
    theirs = np.asarray(knf.apply_cmvn(stats, knf.CmvnOptions(norm_vars=True), x))
    np.testing.assert_allclose(Normalize(eps=1e-10)(x), theirs, atol=1e-5)


def test_trimming_speech_keeps_what_librosa_keeps(speech):
    for clip in speech:
        padded = np.pad(clip, (3_000, 4_000))
        ours = TrimSilence(8_000, top_db=30, margin=0)(padded)
        _, (start, stop) = librosa.effects.trim(padded, top_db=30, frame_length=160, hop_length=80)
        assert abs(len(ours) - (stop - start)) <= 5 * 80
