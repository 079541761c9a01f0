"""TensorFlow's summary writer with the methods of torch's, so that the logger knows one kind only."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from numpy.typing import NDArray


class SummaryWriter:
    """Writes through what `tf.summary.create_file_writer` returned; see `dataload.adapters.tensorboard.Writer`."""

    def __init__(self, writer: Any) -> None:
        self._writer = writer

    def add_scalar(self, tag: str, scalar_value: float, global_step: int) -> None:
        """Write a number."""
        with self._writer.as_default():
            tf.summary.scalar(tag, scalar_value, step=global_step)

    def add_image(self, tag: str, img_tensor: NDArray[Any], global_step: int, *, dataformats: str) -> None:
        """Write (rows, columns) from 0 to 1; dataformats must be "HW"."""
        assert dataformats == "HW"
        with self._writer.as_default():
            tf.summary.image(tag, img_tensor[None, :, :, None], step=global_step)

    def add_audio(self, tag: str, snd_tensor: Any, global_step: int, sample_rate: int) -> None:
        """Write (1, samples), ±1 being full scale."""
        with self._writer.as_default():
            tf.summary.audio(tag, snd_tensor[:, :, None], sample_rate, step=global_step)
