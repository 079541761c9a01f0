"""Spectrogram; its docstring describes the parameters of framing for all features."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

from dataload.graph import GraphStep
from dataload.registry import register
from dataload.transforms.checks import Float32, positive_float, store
from dataload.transforms.spectral.features import SpectrumTransform
from dataload.transforms.spectral.framing import Complex64, framing_of
from dataload.transforms.spectral.numpy_kernels import magnitudes


@register
@dataclass(frozen=True, repr=False)
class Spectrogram(SpectrumTransform):
    """Magnitudes of the short-time Fourier transform, to a power.

    `Spectrogram.preset("librosa")`, and "torchaudio" and "tf.signal", give the numbers of these packages.

    Args:
        sample_rate: in Hz, of the waveforms that come in.
        n_fft: points of the Fourier transform; None is win_length.
        win_length: length of the window in samples, at most n_fft; None is 25 ms.
        hop_length: samples from one frame to the next; None is 10 ms.
        window: "hann", "hamming", "rectangular", "povey", or a name that `scipy.signal.get_window` takes.
        periodic: whether the window is the periodic or the symmetric one, see `functional.window`.
        window_align: where a window shorter than n_fft stands: "center" takes frames of n_fft samples with the window
            in their middle (librosa, torch); "left" takes frames of win_length samples and puts zeros behind them
            (Kaldi, TensorFlow).
        center: True puts the middle of frame t on sample t·hop_length, by padding half a frame at either end. "hop"
            puts it on the middle of the hop, sample (t + ½)·hop_length (Kaldi without snip_edges). False begins
            frame t there and pads nothing in front.
        pad_mode: what is padded: "reflect" (around the first and the last sample; needs as many samples as are
            padded and one more), "symmetric" (the same, the end repeated), "constant" (zeros) or "edge".
        frame_count: "whole" takes the frames that fit into the padded clip, which are 1 + samples // hop_length with
            center=True and an even n_fft. "floor", "round" and "ceil" take samples / hop_length, rounded in this way,
            padding at the end as needed ("floor": Whisper; "round": Kaldi without snip_edges; "ceil": pad_end of
            tf.signal).
        scale: factor of the samples: 32768 where the reference takes 16-bit integers as they are.
        remove_dc: whether the mean of each frame is subtracted.
        pre_emphasis: c of x[t] - c·x[t - 1], from 0 (none) to 1.
        pre_emphasis_on: "waveform" leaves the first sample of the clip as it is (NeMo); "frame" does it in each frame,
            after the mean is off, the first sample becoming (1 - c)·x[0] (Kaldi).
        power: 2.0 for power, 1.0 for magnitude.

    Returns:
        (when called on a (samples,) float waveform) (frames, n_fft // 2 + 1) float32.

    Raises:
        ConfigError: a number that cannot work.
        TransformError: (when called) not a float waveform, one too short for a frame, or one with a sample that is
            not finite.

    >>> import numpy as np
    >>> Spectrogram(16_000)(np.zeros(16_000, np.float32)).shape
    (101, 201)
    >>> Spectrogram.preset("librosa", n_fft=512)
    Spectrogram(22050, win_length=512, hop_length=128, pad_mode='constant')
    """

    _: KW_ONLY
    power: float = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        store(self, power=positive_float("power", self.power))

    def graph_steps(self, axis: int) -> list[GraphStep]:
        """Return the spectrogram as steps of a graph."""
        return framing_of(self).graph_steps(self.power)

    def _reduce(self, spectrum: Complex64, out: Float32) -> None:
        out[...] = magnitudes(spectrum, self.power)[: len(out)]
