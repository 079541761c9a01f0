"""Code of other libraries draws from the global generators: what it draws belongs to the sample."""

import random
import re
import warnings
from functools import partial

import conformance
import numpy as np
import pytest
from streams import take

from dataload import Loader, RandomTransform
from dataload.draws import needs_no_generator, snapshot
from dataload.transforms import Gain, OneOf, Sometimes

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("leaves_nothing")]
KINDS = pytest.mark.parametrize("num_workers", [0, 1, pytest.param(3, marks=pytest.mark.slow)])


def augment(value):
    """As augmentations of other libraries do: numbers of several generators, more for some samples than for others."""
    drawn = [np.random.rand(), random.random(), np.random.randn()]
    if drawn[0] < 0.5:
        drawn.append(random.gauss(0, 1))
    return np.array([value, *drawn[:3], sum(drawn)])


class Drawing:
    """A data set with augmentation inside of it."""

    def __len__(self):
        return 24

    def __getitem__(self, index):
        return np.array([index, np.random.rand()])


class Keeps:
    """An augmentation as other libraries write them: generators of its own, and steps that have theirs."""

    def __init__(self, *steps):
        self.rng, self.python, self.old = np.random.default_rng(0), random.Random(0), np.random.RandomState(0)
        self.steps = list(steps)

    def __call__(self, value):
        drawn = [self.rng.random(), self.python.random(), self.old.rand()]
        return np.append(drawn, [step(value)[:3] for step in self.steps])


class KeepsInData(Drawing):
    """A data set that keeps a generator."""

    def __init__(self):
        self.rng = np.random.default_rng(0)

    def __getitem__(self, index):
        return np.array([index, self.rng.random()])


GENERATOR = np.random.default_rng(0)


def draws_from_its_module(value):
    return np.array([value, GENERATOR.random()])


def loader(transforms=augment, source=range(24), **options):
    return Loader(source, transforms=transforms, **{"batch_size": 4, "shuffle": True, "worker": "process", **options})


@KINDS
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"transforms": None, "source": Drawing()},
        {"transforms": Sometimes(augment, 1.0)},
        {"read_concurrency": 3},
        {"read_concurrency": 3, "source": Drawing(), "transforms": None},
        {"transforms": Keeps(Keeps(), Keeps())},
        {"transforms": None, "source": KeepsInData(), "read_concurrency": 2},
        {"transforms": draws_from_its_module},
        {"transforms": None, "collate_fn": lambda samples, alloc=None, rng=GENERATOR: [*samples, GENERATOR.random()]},
    ],
    ids=[
        *("transform", "source", "inside of another", "read ahead", "source, read ahead", "kept generators"),
        *("generator of a source", "generator of a module", "generator of a collate function"),
    ],
)
@pytest.mark.filterwarnings("ignore:.* keeps a")
def test_what_is_drawn_is_the_same_for_any_number_of_processes_and_after_a_resume(options, num_workers):
    expected = [list(batches) for batches in [loader(**options)] for _ in range(2)]
    assert not conformance.equal(expected[0], expected[1])
    np.random.seed(5), random.seed(6)
    with loader(**options, num_workers=num_workers) as batches:
        assert conformance.equal(list(batches), expected[0])
        begun = take(batches, 2)
        state = batches.state_dict()
    assert conformance.equal(begun, expected[1][:2])
    with loader(**options, num_workers=num_workers) as batches:
        batches.load_state_dict(state)
        assert conformance.equal(list(batches), expected[1][2:])


def test_no_value_comes_twice_and_batches_do_not_matter():
    whole = np.concatenate(list(loader()))
    assert len(np.unique(whole[:, 1:4])) == 72
    others = np.concatenate(list(loader(batch_size=7)))
    assert np.array_equal(whole, others)


def test_the_generators_of_the_program_are_left_as_they_were():
    before = snapshot()
    list(loader(transforms=lambda value: value))
    assert snapshot() == before
    list(loader())
    assert snapshot() == before


@KINDS
def test_bad_samples_are_replaced_by_the_same_values(num_workers):
    def fragile(value):
        if value == 5:
            raise ValueError("broken")
        return augment(value)

    options = {"on_error": "replace", "transforms": fragile}
    with loader(**options) as one, loader(**options, num_workers=num_workers) as other:
        assert conformance.equal(list(one), list(other))


def test_auto_does_not_choose_threads_where_something_draws():
    with loader(source=range(4000), worker="auto", num_workers=2) as batches:
        for _ in range(20):
            list(batches)
            if batches.stats.choice is not None:
                break
        assert batches.stats.choice.worker == "process"


@pytest.mark.filterwarnings("ignore:.* keeps a")
def test_generators_that_are_kept_give_every_sample_other_values_and_are_left_as_they_were():
    keeper = Keeps(Keeps())
    state = keeper.rng.bit_generator.state, keeper.python.getstate(), keeper.steps[0].old.get_state()[2]
    made = np.concatenate(list(loader(keeper)))
    assert len(np.unique(made)) == 24 * 6
    assert (keeper.rng.bit_generator.state, keeper.python.getstate(), keeper.steps[0].old.get_state()[2]) == state


def test_a_generator_that_is_kept_is_warned_of_by_name():
    rng = np.random.default_rng(0)
    for options, place in (
        ({"transforms": lambda value: value + rng.random()}, "rng"),
        ({"transforms": Keeps()}, "python"),
        ({"transforms": partial(Keeps(Keeps()))}, r"func\.steps\[0\]\.old"),
        ({"transforms": Keeps().__call__}, r"__self__\.rng"),
        ({"transforms": draws_from_its_module}, "GENERATOR"),
        ({"source": KeepsInData()}, "rng"),
    ):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            Loader(**{"source": [1.0], **options})
        places = [str(each.message) for each in caught if each.filename == __file__]
        assert any(re.search(f"keeps a .* in {place}. .*threads share it.* RandomTransform", said) for said in places)

    class Fine(RandomTransform):
        def __call__(self, value, rng):
            return value + rng.random()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Loader([1.0], transforms=[Fine(), np.sqrt, Gain((-6.0, 6.0))])


def test_the_librarys_own_transforms_are_known_to_need_none():
    assert needs_no_generator(Gain((-6.0, 6.0))) and needs_no_generator(np.sqrt) and needs_no_generator([1, 2])
    assert needs_no_generator(OneOf([Gain(1.0), np.negative]))
    assert not needs_no_generator(OneOf([Gain(1.0), augment])) and not needs_no_generator(Drawing())
