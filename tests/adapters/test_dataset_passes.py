"""Passes over the tf.data.Dataset: which epoch each one is, and what the loader's state is in between."""

import contextlib
import os
import types
import warnings
from itertools import islice

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import numpy as np
import pytest
import tensorflow as tf
from adapter_data import epochs, labels, make, twenty_numbers

from dataload import Loader
from dataload.adapters.tensorflow import to_dataset


def just_labels(dataset):
    return dataset.map(lambda batch: batch["label"])


FIRST, SECOND, THIRD, FOURTH = epochs(4)


def test_each_pass_is_the_next_epoch():
    dataset = to_dataset(make())
    assert [labels(dataset) for _ in range(3)] == [FIRST, SECOND, THIRD]


def test_repeat_goes_through_the_epochs():
    assert labels(to_dataset(make()).repeat(2)) == FIRST + SECOND
    assert labels(to_dataset(make()).repeat().take(9)) == FIRST + SECOND + THIRD[:1]


@pytest.mark.parametrize("options", [{}, {"num_workers": 2, "worker": "thread"}])
@pytest.mark.parametrize("through", [lambda dataset: dataset, just_labels])
def test_the_state_is_exact_between_two_batches(options, through):
    loader = make(**options)
    iterator = iter(through(to_dataset(loader)))
    for taken in range(1, 4):
        next(iterator)
        assert (loader.state_dict()["epoch"], loader.state_dict()["samples"]) == (0, 6 * taken)
    next(iterator)
    assert (loader.state_dict()["epoch"], loader.state_dict()["samples"]) == (1, 0)
    loader.close()


@pytest.mark.parametrize("taken", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_state_continues_with_exactly_the_remaining_batches(taken, num_workers, leaves_nothing):
    with make(num_workers=num_workers, worker="thread") as loader:
        iterator = iter(to_dataset(loader))
        list(islice(iterator, taken))
        state = loader.state_dict()
        del iterator
    resumed = make()
    resumed.load_state_dict(state)
    dataset = to_dataset(resumed)
    rest = FIRST[taken:] or SECOND
    assert [labels(dataset), labels(dataset)] == [rest, SECOND if taken < 4 else THIRD]
    assert len(dataset) == 4


def test_a_state_may_be_loaded_when_the_dataset_is_there_already():
    loader = make()
    dataset = to_dataset(loader)
    list(dataset)
    iterator = iter(dataset)
    next(iterator)
    state = loader.state_dict()
    list(dataset)
    loader.load_state_dict(state)
    assert [labels(dataset), labels(dataset)] == [SECOND[1:], THIRD]


def test_a_state_loaded_after_one_batch_is_kept_although_the_pass_was_only_a_look():
    loader = make()
    dataset = to_dataset(loader)
    iterator = iter(dataset)
    next(iterator)
    loader.load_state_dict(loader.state_dict())
    del iterator
    assert labels(dataset) == FIRST[1:]


def test_a_state_of_the_bare_loader_after_its_last_batch_goes_on_with_the_next_epoch():
    loader = make()
    bare = iter(loader)
    list(islice(bare, 4))
    state = loader.state_dict()
    assert state["epoch"] == 0 and state["samples"] == 20
    resumed = make()
    resumed.load_state_dict(state)
    assert labels(to_dataset(resumed)) == SECOND


def test_set_epoch_chooses_the_epoch():
    loader = make()
    dataset = to_dataset(loader)
    loader.set_epoch(2)
    assert [labels(dataset), labels(dataset)] == [THIRD, FOURTH]


def test_a_pass_that_was_dropped_before_its_first_batch_costs_nothing():
    loader = make()
    dataset = to_dataset(loader)
    state = loader.state_dict()
    for _ in range(3):
        assert labels(dataset.take(0)) == []
        assert loader.state_dict() == state
    dropped = iter(dataset)
    del dropped
    assert labels(dataset) == FIRST


def test_a_pass_that_the_users_own_code_leaves_is_an_epoch_however_short():
    dataset = to_dataset(make())
    for epoch in (FIRST, SECOND, THIRD):
        assert labels(dataset.take(1)) == epoch[:1]
    assert labels(dataset) == FOURTH


def _symbolic_build(dataset):
    return labels(dataset.take(1))


def test_a_pass_in_which_keras_takes_the_first_batch_to_build_a_model_costs_nothing():
    loader = make()
    dataset = to_dataset(loader)
    state = loader.state_dict()
    build = types.FunctionType(_symbolic_build.__code__, {**globals(), "__name__": "keras.src.trainers.trainer"})
    for _ in range(3):
        assert build(dataset) == FIRST[:1]
        assert loader.state_dict() == state
    assert labels(dataset) == FIRST


def test_a_newer_iterator_ends_an_older_one_with_an_error_that_says_so():
    dataset = to_dataset(make())
    older = iter(dataset)
    next(older)
    assert labels(dataset) == SECOND
    for _ in range(2):
        with pytest.raises(tf.errors.OpError, match="ended because a newer one"):
            next(older)
    assert labels(dataset) == THIRD


def test_a_pass_left_after_more_than_one_batch_counts_as_an_epoch():
    loader = make()
    dataset = to_dataset(loader)
    assert labels(dataset.take(2)) == FIRST[:2]
    assert loader.state_dict()["samples"] == 12
    assert labels(dataset) == SECOND


def test_a_short_pass_inside_a_resumed_epoch_is_the_rest_of_it():
    state = next((loader.state_dict() for loader in [make()] for _ in loader), None)
    loader = make()
    loader.load_state_dict(state)
    dataset = to_dataset(loader)
    assert labels(dataset.take(1)) == FIRST[1:2]
    assert labels(dataset) == SECOND


def test_one_batch_of_one_is_an_epoch_and_no_look():
    loader = make(batch_size=20)
    dataset = to_dataset(loader)
    assert [labels(dataset), labels(dataset.take(1))] == epochs(2, batch_size=20)
    assert loader.state_dict()["epoch"] == 2


def test_an_order_from_elsewhere_may_change_its_length():
    class Growing:
        epoch = 0

        def set_epoch(self, epoch):
            self.epoch = epoch

        def __iter__(self):
            return iter(range(4 + 4 * self.epoch))

        def __len__(self):
            return 4

    dataset = to_dataset(Loader(twenty_numbers(), sampler=Growing(), batch_size=4))
    assert dataset.cardinality() == tf.data.UNKNOWN_CARDINALITY
    assert [len(labels(dataset)) for _ in range(3)] == [1, 2, 3]


# Keras. What a model trained on is seen in its weights: each batch adds to them what stands for its samples.


class Diary(keras.layers.Layer):
    """Remembers the labels that it is called with, in training and in evaluation."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def call(self, label):
        tf.py_function(lambda value: self.seen.append(value.numpy().astype(int).ravel().tolist()), [label], [])
        return label


def model(strategy=None, **options):
    with strategy.scope() if strategy else contextlib.nullcontext():
        diary = Diary()
        made = keras.Sequential([diary, keras.layers.Dense(1)])
        made.compile("sgd", "mse", **options)
    return made, diary.seen


def pairs(loader):
    def pair(batch):
        label = tf.cast(batch["label"], tf.float32)[:, tf.newaxis]
        return label, label

    return to_dataset(loader).map(pair)


def fit(made, dataset, **options):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        made.fit(dataset, verbose=0, shuffle=False, **options)
    return [str(warning.message) for warning in caught if "ran out of data" in str(warning.message)]


@pytest.mark.parametrize("options", [{}, {"run_eagerly": True}, {"steps_per_execution": 2}, {"jit_compile": False}])
def test_fit_trains_on_one_epoch_after_the_other(options, leaves_nothing):
    made, seen = model(**options)
    loader = make(num_workers=2, worker="thread")
    assert fit(made, pairs(loader), epochs=2) == []
    assert seen == FIRST + SECOND
    assert (loader.state_dict()["epoch"], loader.state_dict()["samples"]) == (2, 0)
    assert fit(made, pairs(loader)) == []
    assert seen == FIRST + SECOND + THIRD
    loader.close()


def test_fit_with_validation_trains_and_validates_on_whole_epochs():
    made, seen = model()
    training, validation = make(), make(shuffle=False)
    fit(made, pairs(training), epochs=2, validation_data=pairs(validation))
    whole = labels(make(shuffle=False))
    assert seen == FIRST + whole + SECOND + whole


def test_evaluate_and_predict_see_every_sample_once():
    made, seen = model()
    loader = make()
    made.evaluate(pairs(loader), verbose=0)
    assert seen == FIRST
    assert made.predict(pairs(loader).map(lambda x, y: x), verbose=0).shape == (20, 1)
    assert seen == FIRST + SECOND


def test_steps_per_epoch_takes_the_batches_on_from_where_it_was():
    made, seen = model()
    assert fit(made, pairs(make()).repeat(), epochs=3, steps_per_epoch=3) == []
    assert seen == FIRST + SECOND + THIRD[:1]


def test_fit_reads_an_order_from_elsewhere_to_the_end_of_each_epoch():
    made, seen = model()
    orders = [[1, 2, 3], [4, 5, 6], [7, 8, 9]]

    class Listed:
        epoch = 0

        def set_epoch(self, epoch):
            self.epoch = epoch

        def __iter__(self):
            return iter(orders[self.epoch])

    fit(made, pairs(Loader(twenty_numbers(), sampler=Listed())), epochs=3)
    assert seen == [[sample] for order in orders for sample in order]


def test_a_resumed_fit_trains_on_the_rest_of_the_epoch_and_then_on_whole_ones():
    loader = make()
    iterator = iter(loader)
    next(iterator)
    state = loader.state_dict()
    resumed = make()
    resumed.load_state_dict(state)
    made, seen = model()
    warned = fit(made, pairs(resumed), epochs=3)
    assert seen == FIRST[1:] + SECOND + THIRD
    # Keras counts with as many batches as a whole epoch has.
    assert len(warned) == 1


def test_a_callback_may_save_the_state_in_the_middle_of_an_epoch():
    class Save(keras.callbacks.Callback):
        states = []  # noqa: RUF012

        def on_train_batch_end(self, batch, logs=None):
            self.states.append((loader.state_dict()["epoch"], loader.state_dict()["samples"]))

    loader = make()
    made, _ = model()
    fit(made, pairs(loader), epochs=2, callbacks=[Save()])
    assert Save.states == [(0, 6), (0, 12), (0, 18), (1, 0), (1, 6), (1, 12), (1, 18), (2, 0)]


def test_an_exception_ends_fit_with_its_text():
    def fail(sample):
        if sample["label"] == 7:
            raise KeyError("seven is broken")
        return sample

    made, _ = model()
    loader = Loader(twenty_numbers(), transforms=fail, batch_size=4)
    with pytest.raises(tf.errors.OpError, match=r"(?s)KeyError: 'seven is broken'.*in transform .*sample 7"):
        fit(made, pairs(loader))


def test_under_a_strategy_the_look_of_keras_is_undone_by_set_epoch():
    class Begin(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            loader.set_epoch(0)

    loader = make()
    made, seen = model(tf.distribute.MirroredStrategy(["/cpu:0"]))
    fit(made, pairs(loader), epochs=2, callbacks=[Begin()])
    assert seen == FIRST + SECOND


def test_train_on_batch_takes_the_batches_of_a_plain_loop():
    made, seen = model()
    for x, y in pairs(make()):
        made.train_on_batch(x, y)
    assert seen == FIRST and np.isfinite(made.get_weights()[0]).all()
