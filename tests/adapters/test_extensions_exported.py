"""A transform of one's own, exported with its counterpart to torch and TensorFlow."""

import numpy as np
import tensorflow as tf
import torch
from extensions.loudness import Loudness

from dataload import Chain
from dataload.adapters.tensorflow import to_module as to_tensorflow
from dataload.adapters.torch import to_module as to_torch
from dataload.transforms import Spectrogram

CHAIN = Chain([Spectrogram(8_000), Loudness(1e-5)])
CLIPS = np.random.default_rng(0).normal(0, 0.1, (2, 8_000)).astype(np.float32)
EXPECTED = np.stack([CHAIN(clip) for clip in CLIPS])


def test_torch_runs_and_exports_it():
    module = to_torch(CHAIN)
    assert np.allclose(module(torch.from_numpy(CLIPS)).numpy(), EXPECTED, atol=1e-3)
    exported = torch.export.export(module, (torch.from_numpy(CLIPS),)).module()
    assert np.allclose(exported(torch.from_numpy(CLIPS)).numpy(), EXPECTED, atol=1e-3)


def test_tensorflow_runs_and_saves_it(tmp_path):
    module = to_tensorflow(CHAIN)
    assert np.allclose(module(CLIPS).numpy(), EXPECTED, atol=1e-3)
    tf.saved_model.save(module, str(tmp_path / "saved"))
    assert np.allclose(tf.saved_model.load(str(tmp_path / "saved"))(CLIPS).numpy(), EXPECTED, atol=1e-3)
