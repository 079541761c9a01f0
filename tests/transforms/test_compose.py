"""Sometimes, OneOf and SomeOf: how often what is chosen, in which order, and what comes out of it."""

import collections

import numpy as np
import pytest

from dataload.chain import Chain, Spec
from dataload.errors import ChainError, ConfigError
from dataload.transforms import (
    DecodeAudio,
    Gain,
    LogMel,
    Mixup,
    OneOf,
    PadOrTrim,
    RandomCrop,
    Resample,
    SomeOf,
    Sometimes,
    SpeedPerturb,
)


def a(text):
    return text + "a"


def b(text):
    return text + "b"


def c(text):
    return text + "c"


def counted(transform, draws=3_000):
    rng = np.random.default_rng(0)
    return collections.Counter(transform("", rng) for _ in range(draws))


def test_sometimes_is_as_often_as_it_says():
    assert counted(Sometimes(a, 0.25))["a"] == pytest.approx(750, abs=90)
    assert counted(Sometimes(a, 0))[""] == 3_000
    assert counted(Sometimes([a, b], 1))["ab"] == 3_000


def test_one_of_chooses_by_its_weights():
    found = counted(OneOf([a, b, [c, a]]))
    assert set(found) == {"a", "b", "ca"} and all(count == pytest.approx(1_000, abs=110) for count in found.values())
    found = counted(OneOf([a, b], weights=[1, 3]))
    assert found["b"] == pytest.approx(2_250, abs=100)


def test_some_of_applies_its_choice_in_the_given_order():
    found = counted(SomeOf([a, b, c], 2))
    assert set(found) == {"ab", "ac", "bc"} and all(count == pytest.approx(1_000, abs=110) for count in found.values())
    found = counted(SomeOf([a, b, c], (0, 3)))
    assert found[""] == pytest.approx(750, abs=100) and found["abc"] == pytest.approx(750, abs=100)
    assert set(found) == {"", "a", "b", "c", "ab", "ac", "bc", "abc"}


def test_a_chain_may_be_an_option():
    assert OneOf([Chain([a, b])]) == OneOf([[a, b]])
    assert Sometimes(Chain([a, b]), 1)("", np.random.default_rng(0)) == "ab"


def test_they_nest():
    found = counted(OneOf([Sometimes(a, 0.5), SomeOf([b, OneOf([c])], (1, 2))]))
    assert set(found) == {"", "a", "b", "c", "bc"}


WAVE = Spec("waveform", 8_000, False)


@pytest.mark.parametrize(
    ("transform", "out"),
    [
        (Sometimes(Gain()), WAVE),
        (Sometimes(SpeedPerturb()), Spec("waveform", 8_000, True)),
        (Sometimes(RandomCrop(5)), WAVE),
        (Sometimes(np.negative), Spec(None, None, False)),
        (OneOf([Gain(), SpeedPerturb()]), Spec("waveform", 8_000, True)),
        (OneOf([[SpeedPerturb(), PadOrTrim(8_000)], PadOrTrim(8_000)]), WAVE),
        (OneOf([LogMel(8_000), LogMel(8_000, n_mels=40)]), Spec("features", 8_000, False)),
        (SomeOf([Gain(), SpeedPerturb()], 1), Spec("waveform", 8_000, True)),
    ],
    ids=repr,
)
def test_what_comes_out_is_what_holds_for_every_choice(transform, out):
    assert transform.output_spec(WAVE) == out


@pytest.mark.parametrize(
    ("transform", "message"),
    [
        (Sometimes(LogMel(8_000)), "kind features or waveform, depending on what is chosen"),
        (Sometimes(Resample(8_000, 16_000)), "sample_rate 16000 or 8000, depending on what is chosen"),
        (OneOf([LogMel(8_000), Gain()]), "kind features or waveform"),
        (SomeOf([Gain(), LogMel(8_000)], 1), "kind features or waveform"),
        (OneOf([LogMel(16_000)]), r"its LogMel\(16000\): it expects 16000 Hz but gets 8000 Hz"),
    ],
    ids=repr,
)
def test_choices_that_do_not_go_together_are_found_when_the_chain_is_made(transform, message):
    with pytest.raises(ChainError, match=message):
        Chain([DecodeAudio(8_000), transform])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Sometimes(a, 2), ConfigError, "p=2 must be from 0 to 1"),
        (lambda: Sometimes(Gain), ChainError, "is the class Gain: write Gain(...)"),
        (lambda: Sometimes([]), ChainError, "an empty list of transforms"),
        (lambda: OneOf([]), ChainError, "transforms=[] must be a list of at least one transform"),
        (lambda: OneOf(a), ChainError, "must be a list of at least one transform"),
        (lambda: OneOf([a, 3]), ChainError, "is 3, which is not callable"),
        (lambda: OneOf([a, b], weights=[1]), ConfigError, "weights=[1] must be one number for each"),
        (lambda: OneOf([a, b], weights=[1, 0]), ConfigError, "weights=0 must be above 0"),
        (lambda: SomeOf([a, b], 3), ConfigError, "count=3 must be (low, high), from 0 to 2 transforms"),
        (lambda: SomeOf([a, b], (2, 1)), ConfigError, "count=(2, 1) must be (low, high)"),
        (lambda: SomeOf([a, b], -1), ConfigError, "count=-1 must be a positive integer"),
        (lambda: Sometimes(Mixup(3)), ChainError, "Mixup(3) works on whole batches"),
    ],
)
def test_arguments_that_cannot_work_are_refused_by_name(make, error, message):
    with pytest.raises(error) as caught:
        make()
    assert message in str(caught.value)
