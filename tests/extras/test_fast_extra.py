"""The `fast` extra: the same results as without it, off when told so, and nothing missing when it is not installed."""

import io
import itertools
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
import soundfile

from dataload.errors import DecodeError
from dataload.transforms import MFCC, Chroma, DecodeAudio, Energy, LogMel, MelSpectrogram, Spectrogram, fast
from dataload.transforms.functional import stft

installed = {package: pytest.importorskip(package) for package in ("numba", "miniaudio")}

FEATURES = [
    LogMel(8_000, n_mels=40),
    LogMel(16_000),
    LogMel(8_000, n_mels=20, n_fft=256, pad_mode="constant"),
    LogMel(8_000, n_mels=20, n_fft=255, pad_mode="edge", log="db", top_db=60.0),
    LogMel(8_000, n_mels=40, win_length=150, center=False, window="hamming", log="log10"),
    LogMel(16_000, n_fft=512, n_mels=40, mel_scale="htk", norm=None, f_min=50.0),
    MelSpectrogram(8_000, n_mels=40),
    MelSpectrogram(8_000, n_mels=40, power=1.0),
    Spectrogram(8_000),
    Spectrogram(8_000, power=1.0),
    MFCC(8_000, n_mels=40),
    MelSpectrogram(8_000, n_mels=40, power=1.5),
    Chroma(8_000, n_fft=256),
    Energy(8_000, log=None, pre_emphasis=0.5, window="hann"),
    LogMel.preset("kaldi", n_mels=40, sample_rate=8_000),
    LogMel.preset("kaldi", n_mels=40, sample_rate=8_000, center="hop", frame_count="round"),
    LogMel.preset("kaldi", n_mels=40, sample_rate=8_000, remove_dc=False),
    LogMel.preset("kaldi", n_mels=40, sample_rate=8_000, pre_emphasis=0.0, scale=1.0),
    LogMel.preset("nemo", sample_rate=8_000, normalize=None),
    LogMel.preset("tf.signal", sample_rate=8_000, win_length=255, hop_length=99, f_max=4_000, frame_count="ceil"),
    MFCC.preset("kaldi", sample_rate=8_000, floor=1e7),  # above what rounding leaves of a tone
    Spectrogram(8_000, center="hop", frame_count="round", pad_mode="symmetric", n_fft=500, win_length=500),
]


@pytest.fixture
def switch(monkeypatch):
    def turn(on):
        monkeypatch.setenv(fast.SWITCH, "1" if on else "0")

    return turn


@pytest.fixture(scope="module")
def sounds():
    rng = np.random.default_rng(0)
    lengths = [260, 300, 4_000, 3_999, 70_000, 513]
    noise = [(0.1 * rng.standard_normal(n)).astype(np.float32) for n in lengths]
    t = np.arange(20_000) / 8_000
    sweep = (0.5 * np.sin(2 * np.pi * (100 + 700 * t) * t)).astype(np.float32)
    return [*noise, sweep, np.zeros(900, np.float32)]


def in_another_process(code, **environment):
    run = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True, check=False
    )
    assert run.returncode == 0, run.stderr.decode()
    return run.stdout


def nats(transform):
    """Return the factor to the natural logarithm of power."""
    return {"ln": 1.0, "log10": np.log(10.0), "db": np.log(10.0) / 10.0}[transform.log] * 2.0 / transform.power


@pytest.mark.parametrize("transform", FEATURES, ids=repr)
def test_features_equal_those_of_the_plain_path(transform, switch, speech, sounds):
    clips = [*speech, *sounds]
    switch(False)
    plain = transform.batch(clips)
    switch(True)
    quick = transform.batch(clips)
    assert not any(np.may_share_memory(a, b) for a, b in itertools.combinations([*quick, *plain], 2))
    for a, b in zip(quick, plain, strict=True):
        assert a.shape == b.shape
        assert a.dtype == b.dtype == np.float32
        assert a.flags.writeable
        if isinstance(transform, LogMel) and not isinstance(transform, MFCC):
            # Both round amplitudes to some millionth of the loudest one in the frame, which is more of a quiet one.
            error, depth = np.abs(a - b) * nats(transform), (b.max(axis=1, keepdims=True) - b) * nats(transform)
            assert error[depth < 6].max() < 1e-5
            assert (error < 2e-6 + 1e-6 * np.exp(depth / 2)).all()
        else:
            # Lifters make small coefficients large.
            limit = 5e-6 if getattr(transform, "lifter", 0) else 2e-6
            np.testing.assert_allclose(a, b, rtol=0, atol=limit * max(1e-6, float(np.abs(b).max())))


def test_the_loop_above_compares_two_different_paths(switch, sounds):
    transform = FEATURES[0]
    switch(False)
    plain = transform.batch(sounds)
    switch(True)
    assert any(not np.array_equal(a, b) for a, b in zip(transform.batch(sounds), plain, strict=True))
    assert set(fast.packages()) >= set(installed)


def test_stft_equals_that_of_the_plain_path(switch, speech):
    switch(False)
    plain = stft(speech[0], n_fft=256, hop_length=80, win_length=200)
    switch(True)
    quick = stft(speech[0], n_fft=256, hop_length=80, win_length=200)
    assert quick.dtype == np.complex64
    np.testing.assert_allclose(quick, plain, atol=1e-6 * np.abs(plain).max())


@pytest.mark.parametrize("on", [True, False], ids=["fast", "plain"])
@pytest.mark.parametrize("transform", FEATURES, ids=repr)
def test_a_clip_gives_the_same_bits_alone_and_in_any_batch(transform, on, switch, sounds):
    switch(on)
    together, backwards = transform.batch(sounds), transform.batch(sounds[::-1])[::-1]
    for sound, a, b in zip(sounds, together, backwards, strict=True):
        np.testing.assert_array_equal(a, transform(sound))
        np.testing.assert_array_equal(a, b)


def test_a_waveform_that_is_read_only_or_lies_askew_is_fine(switch, sounds):
    switch(True)
    transform, x = FEATURES[0], sounds[2]
    expected = transform(x)
    askew = np.frombuffer(b"?" + x.tobytes(), np.float32, -1, 1)
    assert not askew.flags.aligned and not askew.flags.writeable
    np.testing.assert_array_equal(transform(askew), expected)
    np.testing.assert_array_equal(transform(np.repeat(x, 2)[::2]), expected)


BITS = (
    "import sys, numpy as np\n"
    "from dataload.transforms import MFCC, LogMel\n"
    "rng = np.random.default_rng(0)\n"
    "x = [(0.1 * rng.standard_normal(n)).astype(np.float32) for n in (4_000, 300, 70_000, 999)]\n"
    "rows = [y for t in (LogMel(8_000), MFCC(8_000, n_mels=40), LogMel(16_000)) for y in t.batch(x)]\n"
    "sys.stdout.buffer.write(b''.join(y.tobytes() for y in rows))"
)


def test_every_process_gives_the_same_bits_whatever_the_number_of_threads_and_the_cache(tmp_path):
    reference = in_another_process(BITS, DATALOAD_FAST="1")
    assert reference == in_another_process(BITS, DATALOAD_FAST="1", MKL_NUM_THREADS="1", OMP_NUM_THREADS="1")
    assert reference == in_another_process(BITS, DATALOAD_FAST="1", NUMBA_CACHE_DIR=str(tmp_path))
    assert list(tmp_path.rglob("*.nbi"))
    assert reference != in_another_process(BITS, DATALOAD_FAST="0")


def test_every_thread_gives_the_same_bits(switch, sounds):
    switch(True)
    transform = LogMel(8_000)
    here = [x.tobytes() for x in transform.batch(sounds)]
    found = []
    threads = [
        threading.Thread(
            target=lambda: found.extend([x.tobytes() for x in transform.batch(sounds)] == here for _ in range(5))
        )
        for _ in "abcd"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 20


def test_mkl_may_use_as_many_threads_afterwards_as_before(switch, sounds):
    pytest.importorskip("mkl_fft")
    from dataload.transforms.spectral import mkl_kernels as mkl

    switch(True)
    before = mkl.set_threads(3)
    try:
        LogMel(8_000)(sounds[2])
        assert mkl.set_threads(3) == 3
    finally:
        mkl.set_threads(before)


LOADED = (
    "import sys, io, numpy as np, soundfile\n"
    "from dataload.transforms import DecodeAudio, LogMel, fast\n"
    "file = io.BytesIO()\n"
    "soundfile.write(file, np.zeros(999), 8_000, format='FLAC')\n"
    "assert not {'numba', 'mkl_fft', 'miniaudio'} & set(sys.modules), 'loaded before it is needed'\n"
    "LogMel(8_000)(DecodeAudio(8_000)(file.getvalue()))\n"
    "print(*sorted({'numba', 'mkl_fft', 'miniaudio'} & set(sys.modules)), *fast.packages())"
)


def test_the_environment_switches_it_off_in_every_process_that_inherits_it():
    off = in_another_process(LOADED, DATALOAD_FAST="0")
    assert off.split() == []
    on = in_another_process(LOADED, DATALOAD_FAST="1").decode().split()
    assert {on.count(package) for package in installed} == {2}


def test_the_switch_works_in_a_running_program(switch):
    switch(False)
    assert fast.packages() == []
    switch(True)
    assert "numba" in fast.packages()


BLOCK = (
    "import sys\n"
    "class Absent:\n"
    "    def find_spec(self, name, path=None, target=None):\n"
    "        if name.split('.')[0] in {names}:\n"
    "            raise ModuleNotFoundError(f'No module named {{name!r}}', name=name)\n"
    "sys.meta_path.insert(0, Absent())\n"
    "import warnings\n"
    "warnings.simplefilter('error')\n"
)


@pytest.mark.parametrize(
    "absent", [["numba"], ["mkl_fft"], ["miniaudio"], ["numba", "mkl_fft", "miniaudio", "llvmlite"]], ids=str
)
def test_without_some_or_all_of_its_packages_everything_works(absent):
    code = BLOCK.format(names=absent) + (
        "import io, numpy as np, soundfile\n"
        "from dataload.transforms import DecodeAudio, LogMel, MFCC, Spectrogram, MelSpectrogram, fast\n"
        "x = np.random.default_rng(0).uniform(-0.5, 0.5, 9_000).astype(np.float32)\n"
        "file = io.BytesIO()\n"
        "soundfile.write(file, x, 8_000, format='FLAC')\n"
        "x = DecodeAudio(8_000)(file.getvalue())\n"
        "for kind in (LogMel, MFCC, Spectrogram, MelSpectrogram):\n"
        "    assert np.isfinite(kind(8_000).batch([x, x[:4_000]])[0]).all()\n"
        "print(*fast.packages())"
    )
    used = in_another_process(code, DATALOAD_FAST="1").decode().split()
    assert not set(used) & set(absent)
    assert set(used) >= set(installed) - set(absent)


def test_a_package_that_is_there_but_broken_is_named_and_left_out(tmp_path):
    (tmp_path / "numba.py").write_text("raise ImportError('Numba needs NumPy 1.0')")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "import warnings, numpy as np\n"
        "from dataload.transforms import LogMel, fast\n"
        "with warnings.catch_warnings(record=True) as caught:\n"
        "    warnings.simplefilter('always')\n"
        "    for _ in range(3):\n"
        "        LogMel(8_000)(np.ones(999, np.float32))\n"
        "print(len(caught), 'numba' in fast.packages(), caught[0].message)"
    )
    told = in_another_process(code, DATALOAD_FAST="1").decode()
    assert told.startswith("1 False numba is installed but cannot be used (ImportError: Numba needs NumPy 1.0)")
    assert "DATALOAD_FAST=0" in told


def encoded(samples, subtype, rate=16_000):
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="FLAC", subtype=subtype)
    return file.getvalue()


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24"])
@pytest.mark.parametrize("channels", [1, 2, 5])
@pytest.mark.parametrize("frames", [1, 4_095, 50_001])
def test_flac_is_what_libsndfile_makes_of_it_to_the_bit(
    without_libsndfile, tmp_path, switch, frames, channels, subtype
):
    samples = np.random.default_rng(frames).uniform(-1, 1, (frames, channels))
    samples[0, 0] = -1.0
    samples *= np.linspace(0, 1, frames)[:, None] if frames > 1 else 1.0
    data = encoded(samples, subtype)
    path = tmp_path / "a.flac"
    path.write_bytes(data)
    expected = soundfile.read(path, dtype="float32", always_2d=True)[0].T
    switch(True)
    for value in (path, data):
        ours = DecodeAudio(16_000, mono=False)(value)
        assert ours.dtype == np.float32 and ours.flags.writeable
        np.testing.assert_array_equal(ours, expected)


def test_speech_in_flac_is_the_same_with_and_without(switch, speech):
    for x in speech:
        data = encoded(x, "PCM_16", 8_000)
        switch(True)
        quick = DecodeAudio(8_000)(data)
        switch(False)
        np.testing.assert_array_equal(quick, DecodeAudio(8_000)(data))


def test_flac_of_8_bits_is_left_to_libsndfile(without_libsndfile, switch):
    switch(True)
    with pytest.raises(AssertionError, match="through libsndfile"):
        DecodeAudio(16_000)(encoded(np.zeros(99), "PCM_S8"))


@pytest.mark.parametrize("share", [0.0005, 0.001, 0.01, 0.5, 0.9, 0.999, 0.99999])
def test_a_flac_that_was_cut_off_is_the_same_error_with_the_name_of_the_file(tmp_path, switch, noise, share):
    data = encoded(np.tile(noise, 4), "PCM_16")
    path = tmp_path / "bad.flac"
    path.write_bytes(data[: int(share * len(data))])
    messages = []
    for on in (True, False):
        switch(on)
        with pytest.raises(DecodeError) as caught:
            DecodeAudio(16_000)(path)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
    assert messages[0].startswith(f"{path}: ")


def test_damage_to_the_sound_in_a_flac_is_never_taken_for_sound(switch):
    tone = 0.3 * np.sin(np.arange(9_000) / 9.0)
    data = encoded(tone, "PCM_16")
    rng = np.random.default_rng(0)
    start = len(data) - len(data) * 9 // 10
    for _ in range(100):
        damaged = bytearray(data)
        damaged[rng.integers(start, len(data))] ^= 1 << rng.integers(8)
        for on in (True, False):
            switch(on)
            with pytest.raises(DecodeError):
                DecodeAudio(16_000)(bytes(damaged))
