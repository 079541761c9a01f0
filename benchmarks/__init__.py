"""dataload next to the loaders that users would pick instead, on the same work, side by side in one run.

`python -m benchmarks` from the root of the repository. The peers are the extra `peers`; one that is not installed gets
a line that says so.
"""

# Distributions whose versions the figures depend on.
PACKAGES = (
    "dataload", "numpy", "scipy", "soundfile", "torch", "tensorflow-cpu", "tensorflow", "grain", "spdl-core", "lhotse",
    "webdataset", "numba", "mkl_fft", "miniaudio", "librosa", "kaldi-native-fbank",
)  # fmt: skip
