"""A chain as a tf.Module: saved, loaded where this library is not, and equal to the chain on real speech."""

import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from graph_chains import CHAINS, Bands, apart
from graph_fields import CHANGES, check

from dataload.adapters.tensorflow import to_module
from dataload.errors import ChainError
from dataload.transforms import DecodeAudio, LogMel, Normalize, PadOrTrim, SpecAugment

pytestmark = pytest.mark.filterwarnings("ignore:mel filters")

SERVE = """
import sys, numpy as np, tensorflow as tf
sys.modules["dataload"] = None
clips, results = np.load(sys.argv[1]), {}
for folder in sys.argv[3:]:
    model = tf.saved_model.load(folder)
    for name in clips.files:
        results[f"{folder}|{name}"] = model(clips[name][None]).numpy()[0]
np.savez(sys.argv[2], **{key.replace("/", ":"): value for key, value in results.items()})
"""


@pytest.fixture(scope="module")
def speech(fsdd):
    return [DecodeAudio(8_000)(path) for path in sorted(fsdd.glob("*.wav"))[::25]]


def test_saved_and_loaded_without_this_library_it_equals_the_chain_on_real_speech(speech, tmp_path):
    np.savez(tmp_path / "in.npz", *speech)
    folders = {name: str(tmp_path / name.replace(" ", "-")) for name in CHAINS}
    for name, folder in folders.items():
        tf.saved_model.save(to_module(CHAINS[name]), folder)
    arguments = [str(tmp_path / "in.npz"), str(tmp_path / "out.npz"), *folders.values()]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run([sys.executable, "-c", SERVE, *arguments], check=True, env=environment)
    got = np.load(tmp_path / "out.npz")
    for name, folder in folders.items():
        for i, clip in enumerate(speech):
            result = got[f"{folder}|arr_{i}".replace("/", ":")]
            assert apart(result, CHAINS[name], clip) < 1e-4, name


def test_it_is_a_part_of_a_model_with_dynamic_axes():
    class Model(tf.Module):
        def __init__(self):
            super().__init__()
            self.features = to_module([LogMel(8_000, n_mels=8)])
            self.weights = tf.Variable(tf.ones((8, 2)))

        @tf.function(input_signature=[tf.TensorSpec((None, None), tf.float32)])
        def __call__(self, waveform):
            return tf.reduce_mean(self.features(waveform) @ self.weights, axis=1)

    model = Model()
    assert [variable.shape for variable in model.trainable_variables] == [(8, 2)]
    assert model(np.zeros((3, 800), np.float32)).shape == (3, 2)
    assert model(np.zeros((1, 1_111), np.float32)).shape == (1, 2)


def test_it_goes_behind_a_dataset():
    module = to_module([LogMel(8_000, n_mels=8)])
    dataset = tf.data.Dataset.from_tensors(tf.zeros((2, 800))).map(module)
    assert dataset.element_spec.shape[-1] == 8
    assert next(iter(dataset)).shape == (2, 11, 8)


def test_a_transform_from_elsewhere_with_steps_of_its_own_is_saved_too(speech, tmp_path):
    row = [Bands(8_000), Normalize(), PadOrTrim(30)]
    tf.saved_model.save(to_module(row), str(tmp_path))
    saved = tf.saved_model.load(str(tmp_path))
    for clip in speech:
        assert apart(saved(clip[None]).numpy()[0], row, clip) < 1e-4


@pytest.fixture
def eagerly():
    """Compute without making graphs, which takes half a second each; the tests before make them."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_a_changed_field_gives_what_the_chain_gives_or_is_refused(change, eagerly):
    def module(row):
        compute = to_module(row)
        return lambda waveform: compute(waveform[None]).numpy()[0]

    check(change, module)


def test_a_transform_without_a_counterpart_is_named():
    with pytest.raises(ChainError, match=r"SpecAugment\(\) has no counterpart in a graph: it is random"):
        to_module([LogMel(8_000, n_mels=8), SpecAugment()])
