"""Rows of a matrix product have the same bits wherever they stand, whichever kernels BLAS takes."""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy._core._multiarray_umath import __cpu_features__ as features

from dataload.transforms.spectral.products import ROWS, matmul

# OpenBLAS's kernels -> what a processor must have to run them. Each adds up in an order of its own.
KERNELS = {"Nehalem": "SSE42", "Sandybridge": "AVX", "Haswell": "AVX2", "SkylakeX": "AVX512_SKX"}
RUNNING = [name for name, needed in KERNELS.items() if features.get(needed)]
PROGRAM = """
import numpy as np
from dataload.transforms import MFCC, Chroma, LogMel

rng = np.random.default_rng(0)
clips = [rng.normal(size=n).astype(np.float32) for n in (3_000, 300, 5_555, 301, 8_000)]
for transform in (LogMel(8_000), LogMel(8_000, n_mels=40, hop_length=80), MFCC(8_000, n_mels=23), Chroma(8_000)):
    for together, clip in zip(transform.batch(clips), clips, strict=True):
        assert np.array_equal(together, transform(clip)), (transform, len(clip))
"""


@settings(max_examples=60)
@given(st.integers(1, 300), st.integers(1, 140), st.integers(0, 3 * ROWS), st.integers(0, 2**32 - 1))
def test_a_row_has_the_same_bits_at_every_place(k, m, place, seed):
    rng = np.random.default_rng(seed)
    rows, matrix = rng.normal(size=(4 * ROWS, k)).astype(np.float32), rng.normal(size=(k, m)).astype(np.float32)
    moved = np.roll(rows, place, axis=0)
    products, products_moved = np.empty((2, 4 * ROWS - 3, m), np.float32)
    matmul(rows, matrix, products)
    matmul(moved, matrix, products_moved)
    np.testing.assert_array_equal(products_moved[place:], products[: len(products) - place])
    np.testing.assert_allclose(products, (rows.astype(float) @ matrix)[: len(products)], atol=1e-5 * k, rtol=1e-4)


@pytest.mark.parametrize("kernels", RUNNING)
def test_a_clip_has_the_same_features_alone_and_in_a_batch(kernels):
    environment = {**os.environ, "OPENBLAS_CORETYPE": kernels, "DATALOAD_FAST": "0"}
    subprocess.run([sys.executable, "-c", PROGRAM], env=environment, check=True, timeout=120)
