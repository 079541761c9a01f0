"""Every example runs on the real digits, and does what it says."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SMALL = ["--epochs", "8"]


def run(name, *arguments, folder, launch=(), **variables):
    quiet = {
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "JAX_PLATFORMS": "cpu",
        "CUDA_VISIBLE_DEVICES": "",
        "PYTHONWARNINGS": "ignore",
    }
    ended = subprocess.run(
        [sys.executable, *launch, str(EXAMPLES / name), *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, **quiet, **variables},
        timeout=200,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def accuracy(output):
    (found,) = re.findall(r"accuracy: ([\d.]+)", output)
    return float(found)


def test_a_torch_run_that_was_stopped_goes_on_to_the_same_number_of_steps(fsdd, tmp_path):
    stopped = run("torch_training.py", fsdd, *SMALL, "--checkpoint", "part.pt", "--steps", "5", folder=tmp_path)
    resumed = run("torch_training.py", fsdd, *SMALL, "--checkpoint", "part.pt", folder=tmp_path)
    assert stopped == "stopped after step 5\n"
    # 240 of the 300 recordings are for training, in batches of 32.
    assert re.findall(r"steps: (\d+)", resumed) == ["64"] and accuracy(resumed) > 0.4


def test_ranks_train_together_under_torchrun_and_resume_as_one(fsdd, tmp_path):
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
    small = ["ddp_training.py", fsdd]
    two = run(*small, "--epochs", "1", folder=tmp_path, launch=[*launch, "2"])
    assert "epoch 0, rank 0: 120 samples" in two and "epoch 0, rank 1: 120 samples" in two
    one = run(*small, "--epochs", "8", folder=tmp_path, launch=[*launch, "1"])
    assert "epoch 0" not in one and "epoch 1, rank 0: 240 samples" in one and accuracy(one) > 0.4


def test_processes_that_come_and_go_see_every_sample_once_and_resume(fsdd, tmp_path):
    small = ["elastic.py", fsdd, "--epochs"]
    first = run(*small, "1", "--worlds", "2,3,1", folder=tmp_path, OMP_NUM_THREADS="1")
    assert first == "epoch 0: 240 samples, once each: True\n"
    again = run(*small, "2", "--worlds", "1", "--workers", "2", folder=tmp_path, OMP_NUM_THREADS="1")
    assert again == "epoch 1: 240 samples, once each: True\n"


def test_lightning_trains_and_resumes(fsdd, tmp_path):
    first = run("lightning_training.py", fsdd, "--epochs", "1", folder=tmp_path)
    last = tmp_path / "lightning_run" / "last.ckpt"
    resumed = run("lightning_training.py", fsdd, *SMALL, "--resume", last, folder=tmp_path)
    assert "steps: 8," in first and "steps: 64," in resumed and accuracy(resumed) > 0.4


@pytest.mark.parametrize("backend", ["tensorflow", "torch"])
def test_keras_trains_on_a_backend(backend, fsdd, tmp_path):
    output = run("keras_training.py", fsdd, *SMALL, folder=tmp_path, KERAS_BACKEND=backend)
    assert f"backend: {backend}, from epoch: 0," in output and accuracy(output) > 0.4


def test_keras_on_jax_goes_on_where_it_was_stopped(fsdd, tmp_path):
    run("keras_training.py", fsdd, "--epochs", "1", folder=tmp_path, KERAS_BACKEND="jax")
    again = run("keras_training.py", fsdd, *SMALL, folder=tmp_path, KERAS_BACKEND="jax")
    assert "backend: jax, from epoch: 1," in again and accuracy(again) > 0.4


def test_jax_trains_over_several_devices(fsdd, tmp_path):
    flags = "--xla_force_host_platform_device_count=2"
    output = run("jax_training.py", fsdd, "--epochs", "20", folder=tmp_path, XLA_FLAGS=flags)
    assert output.startswith("devices: 2,") and accuracy(output) > 0.4


def test_what_is_exported_says_the_same(fsdd, tmp_path):
    output = run("export_and_serve.py", fsdd, folder=tmp_path)
    found = dict(re.findall(r"([\w.]+): largest difference ([\d.e+-]+)", output))
    assert set(found) == {"torch.export", "ONNX", "SavedModel"} and all(float(value) < 1e-4 for value in found.values())


def test_every_example_is_run_here_and_short():
    text = Path(__file__).read_text()
    for path in EXAMPLES.glob("*.py"):
        assert path.name in text or path.name == "digits.py", path
        assert path.read_text().count("\n") < 80, path


def test_ray_train_that_was_stopped_goes_on_with_another_number_of_ranks(fsdd, tmp_path):
    small = ["ray_training.py", fsdd, "--storage", "runs"]
    ray = {"RAY_USAGE_STATS_ENABLED": "0", "TMPDIR": "/tmp", "OMP_NUM_THREADS": "1"}
    stopped = run(*small, "--world", "2", "--steps", "5", folder=tmp_path, **ray)
    assert "ranks: 2, step: 5," in stopped and "samples of rank 0 in this run: 80\n" in stopped
    resumed = run(*small, "--world", "1", "--steps", "20", "--every", "32", folder=tmp_path, **ray)
    # The first five of 20 steps were made by two ranks. The last step of an epoch of 240 samples has 16.
    assert "ranks: 1, step: 20," in resumed and "samples of rank 0 in this run: 448\n" in resumed
