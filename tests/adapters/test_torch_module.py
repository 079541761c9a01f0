"""A chain as an nn.Module: exported, loaded where this library is not, and equal to the chain on real speech."""

import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from graph_chains import CHAINS, apart

from dataload import Chain
from dataload.adapters.torch import to_module
from dataload.errors import ChainError, ConfigError
from dataload.transforms import DecodeAudio, LogMel, Normalize, RandomCrop, Resample

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
        ([lambda x: x], r"<lambda> has no counterpart in a graph: those that have are LogMel, MFCC"),
    ],
)
def test_a_transform_without_a_counterpart_is_named(row, message):
    with pytest.raises(ChainError, match=message):
        to_module(Chain(row))


@dataclass(frozen=True, repr=False)
class Whitened(LogMel):
    """A LogMel with one more parameter, as a later version may have."""

    colour: str = "none"


def test_a_parameter_without_a_counterpart_is_named(monkeypatch):
    from dataload.adapters import chain_steps

    monkeypatch.setitem(chain_steps._MAKERS, Whitened, chain_steps._MAKERS[LogMel])
    monkeypatch.setitem(chain_steps._PARAMETERS, Whitened, chain_steps._PARAMETERS[LogMel])
    to_module([Whitened(8_000, n_mels=8)])
    with pytest.raises(
        ConfigError, match=r"Whitened\(8000, n_mels=8, colour='pink'\): colour='pink' has no counterpart"
    ):
        to_module([Whitened(8_000, n_mels=8, colour="pink")])


def test_a_counterpart_that_gives_other_values_is_refused(monkeypatch):
    from dataload.adapters import chain_steps

    class Louder(LogMel):
        def __call__(self, waveform):
            return super().__call__(waveform) + np.float32(0.1)

    monkeypatch.setitem(chain_steps._MAKERS, Louder, chain_steps._MAKERS[LogMel])
    monkeypatch.setitem(chain_steps._PARAMETERS, Louder, chain_steps._PARAMETERS[LogMel])
    with pytest.raises(
        ConfigError, match=r"Louder\(8000, n_mels=8\) gives values that differ by up to 0.1, so it must"
    ):
        to_module([Louder(8_000, n_mels=8)])
