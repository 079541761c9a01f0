import json
import re

import matplotlib.image
import numpy as np
import pytest
from commands.runs import QUICK

from dataload.commands import train_numpy
from dataload.commands.demo import tone_loader
from dataload.commands.task import Task, frame_statistics
from dataload.commands.tones import NAMES, make_tones

OPTIONAL = ["rich", "matplotlib", "torch", "tensorflow", "keras", "obstore"]


def accuracies(output):
    return {name: float(value) for name, value in re.findall(r"^(\w+) +(\d\.\d{3}) +[\d.]+ s$", output, re.M)}


def test_demo_makes_measures_draws_and_trains(dataload, tmp_path):
    done = dataload("demo", "--files", "600", "--out", "shown", *QUICK)
    assert done.returncode == 0, done.stderr
    out = tmp_path / "shown"
    reached = accuracies(done.stdout)
    assert set(reached) == {"numpy", "torch", "keras"}
    assert min(reached.values()) >= 0.95
    for name in ("throughput.png", "batch.png"):
        picture = matplotlib.image.imread(out / name)
        assert min(picture.shape[:2]) > 300
        assert len(np.unique(picture.reshape(-1, picture.shape[2]), axis=0)) > 10
    rows = json.loads((out / "bench.json").read_text())["rows"]
    assert {row["worker"] for row in rows} == {None, "thread", "process"}
    assert len(list((out / "tones-600-seed0" / "train").iterdir())) == 480
    assert 'TarSource("http://127.0.0.1:' in done.stdout and "held-out accuracy " in done.stdout
    assert len(list((out / "tones-600-seed0-tar").glob("tones-*.tar"))) > 1
    assert "bound by " in done.stdout and "What was tried" in (out / "report.html").read_text()
    for name in (
        "tones-600-seed0",
        "bench.json",
        "throughput.png",
        "batch.png",
        "report.html",
        "dataload bench FOLDER",
    ):
        assert name in done.stdout
    assert done.stderr == ""


def test_demo_without_any_optional_package_says_what_is_skipped_and_which_extra_brings_it(dataload, tmp_path):
    done = dataload("demo", "--files", "240", *QUICK, without=OPTIONAL)
    assert done.returncode == 0, done.stderr
    assert set(accuracies(done.stdout)) == {"numpy"}
    assert accuracies(done.stdout)["numpy"] >= 0.95
    for extra in ("bench", "remote", "torch", "tensorflow"):
        assert f'pip install "dataload[{extra}]"' in done.stdout
    assert (tmp_path / "demo" / "bench.json").exists()
    assert not list((tmp_path / "demo").glob("*.png"))
    assert done.stdout.replace("\n", "").isprintable()


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    return make_tones(tmp_path_factory.mktemp("tones"), 240, seed=1)


def test_softmax_regression_learns_and_knows_nothing_before(tones):
    with (
        tone_loader(tones.train, 0, shuffle=True) as train_loader,
        tone_loader(tones.held_out, 0, shuffle=False) as held_out_loader,
    ):
        task = Task(train_loader, held_out_loader, len(NAMES), *frame_statistics(train_loader), seed=0)
        assert train_numpy.train(task, 0, lambda: None) < 0.2
        steps = []
        assert train_numpy.train(task, 25, lambda: steps.append(1)) >= 0.95
    assert len(steps) == 25


def test_a_step_goes_down_the_gradient_of_the_mean_cross_entropy():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(6, 4)).astype(np.float32)
    labels = np.array([0, 1, 2, 0, 1, 2])
    model = train_numpy.SoftmaxRegression(rng.normal(size=(4, 3)).astype(np.float32), np.zeros(3, np.float32))

    def loss(weights):
        logits = features.astype(np.float64) @ weights
        return np.mean(np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(6), labels])

    weights = model.weights.astype(np.float64)
    slope = np.zeros_like(weights)
    for at in np.ndindex(weights.shape):
        shift = np.zeros_like(weights)
        shift[at] = 1e-5
        slope[at] = (loss(weights + shift) - loss(weights - shift)) / 2e-5
    np.testing.assert_allclose((model.weights - model.step(features, labels, 0.5).weights) / 0.5, slope, atol=1e-5)


def test_statistics_leave_the_padding_out(tones):
    with tone_loader(tones.held_out, 0, shuffle=False) as loader:
        frames = np.concatenate(
            [
                spectrogram[:length]
                for batch in loader
                for spectrogram, length in zip(batch["audio"], batch["audio_lengths"], strict=True)
            ]
        )
        mean, std = frame_statistics(loader)
    np.testing.assert_allclose(mean, frames.mean(axis=0, dtype=np.float64), rtol=1e-5)
    np.testing.assert_allclose(std, frames.std(axis=0, dtype=np.float64), rtol=1e-4)
