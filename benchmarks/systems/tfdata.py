"""tf.data.

Its best setting here: everything that TensorFlow can do itself in the graph (WAV, arrays), so that no Python runs;
soundfile and numpy on two threads where it cannot (there is no FLAC in it); a prefetch at the end.
"""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.data import RECORD_BYTES, audio, files, images, table
from benchmarks.systems.kernels import Work, log_mel
from benchmarks.workloads import Job
from dataload.transforms.functional import mel_filters


def _speech(job: Job) -> Iterator[Any]:
    work = Work.of(job)

    def load(path: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        rows = tf.numpy_function(lambda name: work.function(name.decode()), [path], tf.float32)
        rows = tf.ensure_shape(rows, (None, log_mel(job).n_mels))
        return rows, tf.shape(rows, tf.int64)[0]

    return _padded(job, load)


def _clips(job: Job) -> Iterator[Any]:
    made = log_mel(job)
    filters = tf.constant(mel_filters(made.sample_rate, n_fft=made.n_fft, n_mels=made.n_mels))
    half = made.n_fft // 2

    def load(path: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        waveform = tf.audio.decode_wav(tf.io.read_file(path), desired_channels=1)[0][:, 0]
        padded = tf.pad(waveform, [[half, half]], "REFLECT")
        spectrum = tf.signal.stft(padded, made.n_fft, made.hop_length, made.n_fft)
        mel = tf.square(tf.abs(spectrum)) @ filters
        rows = tf.math.log(tf.maximum(mel, 1e-10))
        return rows, tf.shape(rows, tf.int64)[0]

    # One clip at a time on every core is faster than one transform of the padded batch.
    return _padded(job, load)


def _padded(job: Job, load: Callable[..., Any]) -> Iterator[Any]:
    paths = tf.data.Dataset.from_tensor_slices(audio(job.data, job.dataset)).repeat()
    dataset = paths.map(load, num_parallel_calls=job.workers)
    return _stream(dataset.padded_batch(job.batch_size, drop_remainder=True))


def _images(job: Job) -> Iterator[Any]:
    # A memory map is no tensor: `from_tensor_slices` would read all of it. Whole batches by numpy_function are fastest.
    array = images(job.data)
    n = job.batch_size

    def load(start: tf.Tensor) -> tf.Tensor:
        batch = tf.numpy_function(lambda i: np.array(array[i : i + n]), [start], tf.float32)
        return tf.ensure_shape(batch, (n, *array.shape[1:]))

    starts = tf.data.Dataset.range(0, job.samples // n * n, n).repeat()
    return _stream(starts.map(load, num_parallel_calls=job.workers))


def _table(job: Job) -> Iterator[Any]:
    return _stream(tf.data.Dataset.from_tensor_slices(tuple(table())).repeat().batch(job.batch_size, True))


def _mapped(job: Job) -> Iterator[Any]:
    work, parallel = Work.of(job), job.options.get("threads", job.workers)
    shape = work.function(0).shape

    def load(index: tf.Tensor) -> tf.Tensor:
        return tf.ensure_shape(tf.numpy_function(work.function, [index], tf.float32), shape)

    dataset = tf.data.Dataset.range(job.samples).repeat().map(load, num_parallel_calls=parallel)
    return _stream(dataset.batch(job.batch_size, True), max(parallel, job.workers))


def _records(job: Job) -> Iterator[Any]:
    """Batches before parsing, which is its fastest way; one reader, as several take turns and are slower here."""
    size = RECORD_BYTES[job.dataset]
    features = {"x": tf.io.FixedLenFeature([], tf.string), "label": tf.io.FixedLenFeature([], tf.int64)}
    parallel = tf.data.AUTOTUNE if job.options.get("autotune") else job.workers

    def parse(records: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        found = tf.io.parse_example(records, features)
        return tf.reshape(tf.io.decode_raw(found["x"], tf.uint8), (job.batch_size, size)), found["label"]

    dataset = tf.data.TFRecordDataset(files(job.data, "tfrecord")).repeat().batch(job.batch_size, drop_remainder=True)
    return dataset.map(parse, num_parallel_calls=parallel).prefetch(2).as_numpy_iterator()


def _stream(dataset: tf.data.Dataset, threads: int = 0) -> Iterator[Any]:
    options = tf.data.Options()
    if threads:
        options.threading.private_threadpool_size = threads
    return iter(dataset.prefetch(2).with_options(options))


RUNS = {
    "speech": _speech,
    "clips": _clips,
    "images": _images,
    "table": _table,
    "python": _mapped,
    "latency": _mapped,
    "tfrecord": _records,
    "tfrecord small": _records,
}
