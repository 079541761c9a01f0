"""A chain as an nn.Module: exported, loaded where this library is not, and equal to the chain on real speech."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from graph_chains import CHAINS, Bands, apart
from graph_fields import CHANGES, check

from dataload import Chain
from dataload.adapters.torch import to_module
from dataload.errors import ChainError, ConfigError
from dataload.transforms import DecodeAudio, LogMel, Normalize, PadOrTrim, RandomCrop, Resample

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore:mel filters")

# An export takes seconds; these have every kind of step among them.
EXPORTED = ["librosa's", "short window", "mfcc", "normalised", "scaled", "spectrogram"]

# What a server runs: it has files and a framework, and is told if it gets hold of this library after all.
SERVE = """
import sys, numpy as np, {framework}
sys.modules["dataload"] = None
clips, results = np.load(sys.argv[1]), {{}}
for k, path in enumerate(sys.argv[3:]):
    {load}
    for name in clips.files:
        results[f"{{k}} {{name}}"] = run(clips[name][None])[0]
np.savez(sys.argv[2], **results)
"""
LOAD = {
    "torch": "program = torch.export.load(path).module(); run = lambda x: program(torch.from_numpy(x)).numpy()",
    "onnxruntime": (
        "session = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider']); "
        "run = lambda x: session.run(None, {session.get_inputs()[0].name: x})[0]"
    ),
}


def check_served(framework, saved, speech, folder):
    """Load what was saved in a fresh process, run it on each clip, and compare with the chains."""
    np.savez(folder / "in.npz", *speech)
    script = SERVE.format(framework=framework, load=LOAD[framework])
    arguments = [folder / "in.npz", folder / "out.npz", *saved.values()]
    subprocess.run([sys.executable, "-c", script, *map(str, arguments)], check=True)
    got = np.load(folder / "out.npz")
    for k, name in enumerate(saved):
        for i, clip in enumerate(speech):
            assert apart(got[f"{k} arr_{i}"], CHAINS[name], clip) < 1e-4, name


@pytest.fixture(scope="module")
def speech(fsdd):
    return [DecodeAudio(8_000)(path) for path in sorted(fsdd.glob("*.wav"))[::25]]


@pytest.fixture(scope="module")
def dynamic():
    """Batch and samples of any size."""
    return ({0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC},)


@pytest.mark.parametrize("name", CHAINS)
def test_it_equals_the_chain_on_real_speech(name, speech):
    module = to_module(CHAINS[name])
    for clip in speech:
        assert apart(module(torch.from_numpy(clip)).numpy(), CHAINS[name], clip) < 1e-4


def test_exported_and_loaded_without_this_library_it_still_does(speech, dynamic, tmp_path):
    saved = {name: tmp_path / f"{k}.pt2" for k, name in enumerate(EXPORTED)}
    for name, path in saved.items():
        program = torch.export.export(to_module(CHAINS[name]), (torch.zeros(2, 5_000),), dynamic_shapes=dynamic)
        torch.export.save(program, path)
    check_served("torch", saved, speech, tmp_path)


def test_as_onnx_in_onnxruntime_it_still_does(speech, dynamic, tmp_path):
    saved = {name: tmp_path / f"{k}.onnx" for k, name in enumerate(EXPORTED)}
    for name, path in saved.items():
        torch.onnx.export(
            to_module(CHAINS[name]),
            (torch.zeros(2, 5_000),),
            path,
            dynamo=True,
            dynamic_shapes=dynamic,
            external_data=False,
            verbose=False,
        )
    check_served("onnxruntime", saved, speech, tmp_path)


def test_leading_axes_are_kept_and_clips_of_a_batch_do_not_see_each_other():
    module = to_module([LogMel(8_000, n_mels=8, top_db=40.0), Normalize()])
    x = torch.randn(2, 3, 1_000) * torch.tensor([0.01, 0.1, 1.0])[:, None]
    together = module(x)
    assert together.shape == (2, 3, 13, 8)
    assert all(torch.allclose(together[i, j], module(x[i, j]), atol=1e-6) for i in range(2) for j in range(3))


def test_it_is_a_part_of_a_model_that_learns_nothing_itself():
    module = to_module([LogMel(8_000, n_mels=8)])
    model = torch.nn.Sequential(module, torch.nn.Linear(8, 2))
    assert set(model.state_dict()) == {"1.weight", "1.bias"}
    x = torch.randn(1, 800, requires_grad=True)
    model(x).sum().backward()
    assert x.grad is not None and x.grad.abs().sum() > 0


def test_it_can_be_made_faster_and_coarser():
    module, x = to_module([LogMel(8_000, n_mels=8)]), torch.randn(800)
    exact = module(x)
    assert torch.allclose(module.float()(x), exact, atol=1e-2) and not torch.equal(module(x), exact)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            [DecodeAudio(8_000), LogMel(8_000)],
            r"DecodeAudio\(8000\) has no counterpart .*Chain\(chain.transforms\[1:\]\)",
        ),
        ([LogMel(8_000, n_mels=8), RandomCrop(3)], r"RandomCrop\(3\) has no counterpart in a graph: it is random"),
        ([Resample(8_000, 16_000)], r"Resample\(8000, 16000\) has no counterpart in a graph: resample before"),
        ([lambda x: x], r"<lambda> has no counterpart in a graph: those that have are .*LogMel, .*MFCC"),
    ],
)
def test_a_transform_without_a_counterpart_is_named(row, message):
    with pytest.raises(ChainError, match=message):
        to_module(Chain(row))


def test_a_transform_from_elsewhere_with_steps_of_its_own_is_exported_too(speech, dynamic, tmp_path):
    row = [Bands(8_000), Normalize(), PadOrTrim(30)]
    program = torch.export.export(to_module(row), (torch.zeros(2, 5_000),), dynamic_shapes=dynamic)
    for clip in speech:
        assert apart(program.module()(torch.from_numpy(clip[None])).numpy()[0], row, clip) < 1e-4


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_a_changed_field_gives_what_the_chain_gives_or_is_refused(change):
    def module(row):
        compute = to_module(row)
        return lambda waveform: compute(torch.from_numpy(waveform)).numpy()

    check(change, module)


def test_a_counterpart_that_gives_other_values_is_refused():
    class Louder(LogMel):
        def __call__(self, waveform):
            return super().__call__(waveform) + np.float32(0.1)

    with pytest.raises(
        ConfigError, match=r"Louder\(8000, n_mels=8\) gives values that differ by up to 0.1, so it must"
    ):
        to_module([Louder(8_000, n_mels=8)])
