"""What a loader does, in TensorBoard: its speed, how long the training loop waits, how a batch looks and sounds.

Apart from the frameworks, because it writes through torch's SummaryWriter or TensorFlow's, whichever it is given.
"""

from __future__ import annotations

import time
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from dataload.errors import ConfigError
from dataload.loader import Loader
from dataload.samples import lengths_of


class Writer(Protocol):
    """What torch's SummaryWriter can do, as far as it is used here."""

    def add_scalar(self, tag: str, scalar_value: float, global_step: int) -> None:
        """Write a number."""
        ...

    def add_image(self, tag: str, img_tensor: NDArray[Any], global_step: int, *, dataformats: str) -> None:
        """Write an image; with dataformats="HW" (rows, columns) float32 from 0, black, to 1."""
        ...

    def add_audio(self, tag: str, snd_tensor: Any, global_step: int, sample_rate: int) -> None:
        """Write (1, samples) float32, ±1 being full scale."""
        ...


class TensorBoardLogger:
    """Writes a loader's figures and samples for TensorBoard.

    `log(step)` now and then, such as every 100 steps, writes over the time since it was last called:

        <name>/samples_per_second   samples that the training loop took
        <name>/wait_share           share of the time that the loop waited for batches: 0 means that data is no limit
        <name>/wait_ms_per_batch    the same for one batch
        <name>/queue_depth          batches that are made and wait for the loop
        <name>/worker_share         share of the time that the workers were busy: near 1 with a high wait_share means
                                    that more workers would help

    Args:
        loader: that the batches come from, through whatever adapter.
        writer: a `torch.utils.tensorboard.SummaryWriter`, or what `tf.summary.create_file_writer` returns.
        name: goes before each tag.

    Raises:
        ConfigError: the writer is neither.
    """

    def __init__(self, loader: Loader, writer: Any, *, name: str = "loader") -> None:
        self._loader = loader
        self._writer = _as_writer(writer)
        self._name = name
        self._last = loader.stats
        self._time = time.perf_counter()

    def log(self, step: int) -> None:
        """Write the figures since the last call.

        Args:
            step: of the training, as for any other figure.
        """
        now, stats, last = time.perf_counter(), self._loader.stats, self._last
        seconds, self._time, self._last = now - self._time, now, stats
        # The figures of a loader begin anew with each epoch.
        same = stats.epoch == last.epoch and stats.batches >= last.batches
        samples, batches, waited, worked = (
            getattr(stats, figure) - (getattr(last, figure) if same else 0)
            for figure in ("samples", "batches", "wait_seconds", "work_seconds")
        )
        for tag, value in (
            ("samples_per_second", samples / seconds),
            ("wait_share", waited / seconds),
            ("wait_ms_per_batch", 1000 * waited / max(batches, 1)),
            ("queue_depth", float(stats.ready)),
            ("worker_share", worked / seconds / max(stats.num_workers, 1)),
        ):
            self._writer.add_scalar(f"{self._name}/{tag}", value, step)

    def log_batch(self, batch: Any, step: int, *, count: int = 2) -> None:
        """Write the first samples of a batch: features as images, low bins at the bottom, waveforms as audio.

        Which fields are features or waveforms, and at which rate, the loader's transforms say. Padding is left out
        where the lengths stand beside the field.

        Args:
            batch: of numpy arrays or any framework's tensors.
            step: of the training.
            count: samples to write.

        Raises:
            ConfigError: no field is known to be features or a waveform.
        """
        written = False
        for field, spec in self._loader.pipeline.specs.items():
            if spec.kind not in ("features", "waveform"):
                continue
            values, lengths = (None if part is None else _array(part) for part in lengths_of(batch, field))
            assert values is not None
            for i in range(min(count, len(values))):
                value = np.asarray(values[i][: lengths[i]] if lengths is not None else values[i], np.float32)
                tag = f"{self._name}/{'sample' if field is None else field}/{i}"
                if spec.kind == "features":
                    self._writer.add_image(tag, _picture(value), step, dataformats="HW")
                else:
                    self._writer.add_audio(tag, value[None], step, spec.sample_rate or 16_000)
            written = True
        if not written:
            raise ConfigError(
                f"no field of {self._loader!r} is known to be a waveform or features: that is said by transforms such "
                "as DecodeAudio and LogMel, given for a field"
            )


def _as_writer(writer: Any) -> Writer:
    if hasattr(writer, "add_scalar"):
        return cast(Writer, writer)
    if hasattr(writer, "as_default"):
        from dataload.adapters.tensorflow.summary import SummaryWriter  # only for those who use TensorFlow

        return SummaryWriter(writer)
    raise ConfigError(
        f"writer is a {type(writer).__name__}: it must be a torch.utils.tensorboard.SummaryWriter, or what "
        "tf.summary.create_file_writer returns"
    )


def _array(value: Any) -> NDArray[Any]:
    return np.asarray(value.cpu() if hasattr(value, "cpu") else value)


def _picture(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (frames, bins) as (bins, frames) from 0 to 1, the first bin at the bottom."""
    low, high = features.min(), features.max()
    scaled = (features - low) / np.maximum(high - low, np.finfo(np.float32).tiny)
    return np.ascontiguousarray(scaled.T[::-1], np.float32)
