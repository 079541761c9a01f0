"""What is written for TensorBoard, read back from its files."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.tensorboard import SummaryWriter

from dataload import FileSource, Loader
from dataload.adapters.tensorboard import TensorBoardLogger
from dataload.adapters.torch import to_dataloader
from dataload.errors import ConfigError
from dataload.transforms import DecodeAudio, LogMel

WRITERS = {"torch": SummaryWriter, "tensorflow": tf.summary.create_file_writer}


def written(folder: Path) -> EventAccumulator:
    return EventAccumulator(str(folder), {"scalars": 0, "images": 0, "audio": 0, "tensors": 0}).Reload()


def scalars(events, tag):
    if tag in events.Tags()["scalars"]:
        return [(event.step, event.value) for event in events.Scalars(tag)]
    return [(event.step, float(tf.make_ndarray(event.tensor_proto))) for event in events.Tensors(tag)]


@pytest.mark.parametrize("kind", WRITERS)
def test_figures_are_those_of_the_time_since_the_last_call(kind, tmp_path):
    writer = WRITERS[kind](str(tmp_path))
    loader = Loader(range(36), transforms=lambda x: x, batch_size=4)
    logger = TensorBoardLogger(loader, writer)
    for step, _ in enumerate(loader):
        if step == 4:
            middle = loader.stats
            logger.log(step)
    logger.log(9)
    writer.close()
    events = written(tmp_path)
    rates, shares, waits, worked = (
        scalars(events, f"loader/{tag}")
        for tag in ("samples_per_second", "wait_share", "wait_ms_per_batch", "worker_share")
    )
    assert [step for step, _ in rates] == [4, 9]
    depths = scalars(events, "loader/queue_depth")
    assert [step for step, _ in depths] == [4, 9] and all(0 <= depth <= 4 for _, depth in depths)
    halves = [(20, 5, middle.wait_seconds, middle.work_seconds)]
    end = loader.stats
    halves.append((16, 4, end.wait_seconds - middle.wait_seconds, end.work_seconds - middle.work_seconds))
    for k, (samples, batches, waited, work) in enumerate(halves):
        seconds = samples / rates[k][1]
        assert shares[k][1] == pytest.approx(waited / seconds, rel=1e-4) and 0 < shares[k][1] <= 1
        assert waits[k][1] == pytest.approx(1000 * waited / batches, rel=1e-4)
        assert worked[k][1] == pytest.approx(work / seconds, rel=1e-4)


def test_a_new_epoch_begins_its_figures_anew(tmp_path):
    writer = SummaryWriter(str(tmp_path))
    loader = Loader(range(8), batch_size=4)
    logger = TensorBoardLogger(loader, writer, name="train/loader")
    for epoch in range(3):
        list(loader)
        logger.log(epoch)
    writer.close()
    assert all(value > 0 for _, value in scalars(written(tmp_path), "train/loader/samples_per_second"))


@pytest.fixture
def speech(fsdd):
    transforms = {"audio": [DecodeAudio(8_000), LogMel(8_000, n_mels=40)], "waveform": [DecodeAudio(8_000)]}
    source = FileSource(fsdd, "*.wav", audio=str, waveform=str, label=lambda path: int(path.stem[0]))
    return Loader(source, transforms=transforms, batch_size=3)


@pytest.mark.parametrize("kind", WRITERS)
def test_samples_of_a_batch_are_shown_and_heard_without_their_padding(kind, speech, tmp_path):
    writer = WRITERS[kind](str(tmp_path))
    batch = next(iter(to_dataloader(speech)))
    TensorBoardLogger(speech, writer).log_batch(batch, 5, count=2)
    writer.close()
    events = written(tmp_path)
    tags = events.Tags()
    found = set(tags["images"]) | set(tags["audio"]) | set(tags["tensors"])
    assert found == {f"loader/{field}/{i}" for field in ("audio", "waveform") for i in (0, 1)}
    if kind == "torch":
        (image,), (sound,) = events.Images("loader/audio/1"), events.Audio("loader/waveform/1")
        assert (image.step, image.height, image.width) == (5, 40, int(batch["audio_lengths"][1]))
        assert sound.sample_rate == 8_000 and sound.length_frames == int(batch["waveform_lengths"][1])
        pixels = tf.io.decode_png(image.encoded_image_string).numpy()[..., 0]
        features = batch["audio"][1, : image.width].numpy()
        assert pixels.max() == 255 and pixels.min() == 0
        assert np.unravel_index(pixels[::-1].T.argmax(), features.shape) == np.unravel_index(
            features.argmax(), features.shape
        )


def test_what_cannot_be_written_is_told(tmp_path):
    loader = Loader([{"x": np.zeros(3)}])
    with pytest.raises(ConfigError, match="writer is a str: it must be a torch"):
        TensorBoardLogger(loader, str(tmp_path))
    with pytest.raises(ConfigError, match=r"no field of Loader.* is known to be a waveform or features"):
        TensorBoardLogger(loader, SummaryWriter(str(tmp_path))).log_batch(next(iter(loader)), 0)
