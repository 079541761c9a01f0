"""Chains as steps of a graph, in numpy: equal to the chain whatever its fields, or refused with the reason."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from graph_chains import CHAINS, Bands, apart
from graph_fields import CHANGES, KINDS, REFUSED, WITHOUT_EFFECT, check, field_names, has_effect, rules, waveforms
from graph_numpy import to_function
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dataload import Chain, graph
from dataload.errors import ChainError, ConfigError
from dataload.transforms import (
    MFCC,
    DecodeAudio,
    LogMel,
    Mixup,
    Normalize,
    PadOrTrim,
    RandomCrop,
    RandomSegment,
    Resample,
)


@pytest.mark.parametrize("name", CHAINS)
def test_steps_give_what_the_chain_gives(name):
    run = to_function(CHAINS[name])
    for waveform in waveforms():
        assert apart(run(waveform), CHAINS[name], waveform) < 1e-4


def test_every_field_of_every_transform_with_a_counterpart_is_changed():
    assert len(KINDS) >= 7
    assert rules() == {kind: field_names(kind) for kind in KINDS}


@pytest.mark.slow
@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_a_changed_field_gives_what_the_chain_gives_or_is_refused(change):
    check(change, to_function)


@pytest.mark.parametrize("kind", KINDS)
def test_each_field_has_a_change_that_matters(kind):
    # Else the test before would hold for a counterpart that does not know the field.
    mine = [change for change in CHANGES if type(change.transform) is kind]
    matter = {name for name in field_names(kind) if any(has_effect(c) for c in mine if c.field == name)}
    without = {name for owner, name in REFUSED | WITHOUT_EFFECT if owner == kind.__name__}
    assert matter | without == field_names(kind)


SEVERAL = {
    transform: {change.field: [] for change in CHANGES if change.transform == transform}
    for transform in (change.transform for change in CHANGES if not change.before)
    if isinstance(transform, LogMel)
}
for _change in CHANGES:
    if _change.transform in SEVERAL and (type(_change.transform).__name__, _change.field) not in REFUSED:
        SEVERAL[_change.transform][_change.field].append(_change.value)


@pytest.mark.slow
@settings(max_examples=30)
@given(data=st.data())
def test_several_fields_changed_at_once_still_give_what_the_chain_gives(data):
    transform = data.draw(st.sampled_from(list(SEVERAL)))
    values = {field: st.sampled_from(values) for field, values in SEVERAL[transform].items() if values}
    changed = data.draw(st.fixed_dictionaries({}, optional=values))
    try:
        row = [replace(transform, **changed)]
    except ConfigError:
        assume(False)
    run = to_function(row)
    for waveform in waveforms():
        # Where a clip fades into silence, the mean of a frame and a scale of 32768 leave float32's rounding to be seen.
        assert apart(run(waveform), row, waveform) < 5e-3


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            [DecodeAudio(8_000), LogMel(8_000)],
            r"DecodeAudio\(8000\) has no counterpart in a graph, which starts at .*Chain\(chain.transforms\[1:\]\)",
        ),
        ([RandomSegment(8_000, 1.0)], r"RandomSegment\(8000, 1.0\) has no counterpart in a graph, which starts at the"),
        ([LogMel(8_000, n_mels=8), RandomCrop(3)], r"RandomCrop\(3\) has no counterpart in a graph: it is random"),
        ([Resample(8_000, 16_000)], r"Resample\(8000, 16000\) has no counterpart in a graph: resample before"),
        (
            [lambda x: x],
            r"<lambda> has no counterpart in a graph: those that have are .*LogMel, .*MFCC, MelSpectrogram, Normalize, "
            r"PadOrTrim, Resample, Spectrogram\. Do it before the module",
        ),
    ],
)
def test_a_transform_without_a_counterpart_is_named(row, message):
    with pytest.raises(ChainError, match=message):
        graph.graph_steps(Chain(row))


def test_a_value_of_a_field_without_a_counterpart_is_named():
    with pytest.raises(
        ConfigError, match=r"MFCC\(8000, n_mels=20, use_energy=True\): use_energy=True has no counterpart in a graph"
    ):
        graph.graph_steps(MFCC(8_000, n_mels=20, use_energy=True))


@dataclass(frozen=True, repr=False)
class Whitened(LogMel):
    """A LogMel with one more field, which the steps of LogMel cannot know."""

    colour: str = "none"


def test_a_field_that_a_subclass_adds_has_no_counterpart_until_the_subclass_says_so():
    to_function([Whitened(8_000, n_mels=8)])
    with pytest.raises(
        ConfigError, match=r"Whitened\(8000, n_mels=8, colour='pink'\): colour='pink' has no counterpart"
    ):
        to_function([Whitened(8_000, n_mels=8, colour="pink")])


class Louder(LogMel):
    """A LogMel that computes something else than the steps it inherits."""

    def __call__(self, waveform):
        return super().__call__(waveform) + np.float32(0.1)


class Longer(LogMel):
    """A LogMel with one frame more than the steps it inherits."""

    def __call__(self, waveform):
        return np.pad(super().__call__(waveform), [(0, 1), (0, 0)])


@pytest.mark.parametrize(
    ("transform", "message"),
    [
        (Louder(8_000, n_mels=8), r"Louder\(8000, n_mels=8\) gives values that differ by up to 0.1, so it must not"),
        (Longer(8_000, n_mels=8), r"Longer\(8000, n_mels=8\) gives shape \(33, 8\) where the chain gives \(34, 8\)"),
    ],
)
def test_a_counterpart_that_gives_other_values_is_refused(transform, message):
    with pytest.raises(ConfigError, match=message):
        to_function([transform])


def test_a_transform_from_elsewhere_composes_its_steps_from_the_vocabulary():
    row = [Bands(8_000, edge=2_000.0), Normalize(), PadOrTrim(30)]
    run = to_function(row)
    # Behind frames the leading axis is the second from the end, whichever transform made them.
    assert [step.axis for step in graph.graph_steps(row)[-2:]] == [-2, -2]
    for waveform in waveforms():
        assert apart(run(waveform), row, waveform) < 1e-4
    with pytest.raises(ConfigError, match=r"smooth=True has no counterpart in a graph"):
        to_function([Bands(8_000, smooth=True)])


@dataclass(frozen=True)
class Wrong:
    """A transform whose steps are none."""

    def __call__(self, x):
        return x

    def graph_steps(self, axis):
        return [axis]


def test_what_is_no_step_is_refused():
    with pytest.raises(ChainError, match=r"graph_steps of Wrong\(\) gives -1, no step of dataload.graph"):
        graph.graph_steps(Wrong())


def test_whether_a_transform_has_a_counterpart_can_be_asked():
    assert isinstance(LogMel(8_000), graph.GraphTransform)
    assert not isinstance(Mixup(2), graph.GraphTransform)
