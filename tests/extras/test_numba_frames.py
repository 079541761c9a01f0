"""The frames that numba's kernel writes."""

from framings import check_fill, frames_of_any_framing

from dataload.transforms.spectral import numba_kernels


@frames_of_any_framing
def test_frames_are_those_of_the_padded_clip(framing, samples, first):
    check_fill(numba_kernels.fill, framing, samples, first)
