"""States and chains from elsewhere: right, or an error of their own kind, whatever is in them."""

import copy
import json
import sys

import numpy as np
import pytest
from faults.scripts import run
from hypothesis import example, given, settings
from hypothesis import strategies as st
from streams import joined, make

from dataload import BucketBatchSampler, Chain, WeightedSampler
from dataload.errors import ChainError, StateError
from dataload.transforms import LogMel

pytestmark = pytest.mark.slow

NUMBERS = st.one_of(
    st.integers(-3, 30),
    st.integers(-(10**30), 10**30),
    st.sampled_from([2**31, 2**53, 2**62 - 1, 2**62, 2**63, 2**64, 10**400]),
    st.floats(),
)
LEAVES = st.one_of(st.none(), st.booleans(), NUMBERS, st.text(max_size=5))
JSON = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
)
LOADERS = {
    "shuffled": lambda: make(20),
    "weighted": lambda: make(20, shuffle=False, sampler=WeightedSampler(np.ones(20))),
    "list": lambda: make(20, shuffle=False, sampler=list(range(20))),
    "buckets": lambda: make(
        20, shuffle=False, batch_size=1, batch_sampler=BucketBatchSampler(np.arange(20) + 1, batch_size=6)
    ),
    "ranks": lambda: make(20, shard=(1, 3)),
}


def position(loader):
    state = loader.state_dict()
    return state["epoch"], state["samples"]


def load(loader, state):
    """Load a state, which is refused as a whole or leaves the loader at a place where it can go on."""
    before = loader.state_dict()
    try:
        loader.load_state_dict(state)
    except StateError:
        assert loader.state_dict() == before
        return
    epoch, samples = position(loader)
    assert (epoch, samples) == (state["epoch"], state["samples"])
    assert type(epoch) is int and type(samples) is int
    assert 0 <= samples <= loader.plan.num_samples(epoch)
    left = list(loader)
    assert sum(len(batch["i"]) for batch in left) <= 20 - samples or loader.shard.world > 1
    repr(loader), len(loader)


@settings(max_examples=150)
@given(state=JSON)
@example(state=[("version", 1)])
@example(state=b"{}")
def test_what_is_no_state_is_refused(state):
    load(make(20), state)


@pytest.mark.parametrize("name", LOADERS)
@settings(max_examples=60)
@given(data=st.data())
def test_a_state_with_any_field_changed_is_refused_or_a_valid_place(name, data):
    loader = LOADERS[name]()
    state = copy.deepcopy(loader.state_dict())
    place = data.draw(
        st.sampled_from(["version", "seed", "epoch", "samples", "fingerprint", "order", "source", "sampler"])
    )
    within = state["fingerprint"] if place in state["fingerprint"] else state
    within[place] = data.draw(st.one_of(NUMBERS, JSON))
    if data.draw(st.booleans()):
        state["samples"] = data.draw(st.integers(0, 25))
    load(loader, state)


@pytest.mark.parametrize("name", LOADERS)
def test_every_position_of_an_epoch_is_loaded_and_none_beyond_it(name):
    for samples in range(23):
        loader = LOADERS[name]()
        state = {**loader.state_dict(), "samples": samples}
        if samples <= 20:
            loader.load_state_dict(state)
            assert position(loader) == (0, samples)
        else:
            with pytest.raises(StateError, match=f"{samples} samples of epoch 0 were delivered, which has 20"):
                loader.load_state_dict(state)


@pytest.mark.parametrize("kind", [np.int64, np.int32, float])
def test_numbers_in_a_state_are_those_that_json_gives(kind):
    # A float may have been rounded, and a state with numpy's numbers cannot be saved again.
    with pytest.raises(StateError, match=r"its samples is .*6.*, not a whole number"):
        make().load_state_dict({**make().state_dict(), "samples": kind(6)})


def test_a_state_is_a_copy_in_both_directions():
    loader = make()
    state = loader.state_dict()
    loader.load_state_dict(state)
    state["fingerprint"]["length"] = 5
    state["epoch"] = 9
    again = loader.state_dict()
    assert again["fingerprint"]["length"] == 20 and again["epoch"] == 0
    again["fingerprint"]["source"] = "another"
    assert loader.state_dict()["fingerprint"]["source"] != "another"


def test_a_state_may_hold_more_than_is_known_here():
    loader = make()
    loader.load_state_dict({**make().state_dict(), "samples": 6, "added": [1], "__class__": "x"})
    assert np.array_equal(joined(list(loader), "i"), joined(list(make()), "i")[6:])


def read(text):
    """Read a chain, or have it refused as one."""
    try:
        chain = Chain.from_json(text)
    except ChainError as error:
        assert len(str(error)) < 2000
        return
    assert Chain.from_json(chain.to_json()) == chain


def of(transform, **changes):
    return json.dumps({"dataload_chain": 1, "transforms": [transform], **changes})


WRITTEN = json.loads(Chain([LogMel(8_000, n_mels=40)]).to_json())["transforms"][0]


@settings(max_examples=150)
@given(content=JSON)
def test_json_that_is_no_chain_is_refused(content):
    read(json.dumps(content))
    read(of(content))
    read(json.dumps({"dataload_chain": content, "transforms": []}))
    read(json.dumps({"dataload_chain": 1, "transforms": content}))


@settings(max_examples=150)
@given(place=st.sampled_from(["transform", "version", "fields"]), value=JSON)
def test_a_transform_of_wrong_types_is_refused(place, value):
    read(of({**WRITTEN, place: value}))


@settings(max_examples=150)
@given(place=st.sampled_from(sorted(WRITTEN["fields"])), value=JSON)
@pytest.mark.filterwarnings("ignore:.*no bin inside")
def test_fields_of_wrong_types_and_sizes_are_refused(place, value):
    read(of({**WRITTEN, "fields": {**WRITTEN["fields"], place: value}}))


@settings(max_examples=100)
@given(text=st.one_of(st.text(), st.binary()))
def test_text_that_is_no_json_is_refused(text):
    read(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"dataload_chain": 1, "transforms": ' + "[" * 100_000 + "]" * 100_000 + "}", "nested too deeply"),
        (of(0).replace("0", "[" * 700 + "]" * 700), "nested too deeply|not callable"),
        (
            of({**WRITTEN, "fields": {"sample_rate": 8000, "f_max": 0}}).replace("0}", "[" * 400 + "]" * 400 + "}"),
            "nested too deeply|cannot be made",
        ),
        ('{"dataload_chain": 1, "transforms": [], "transforms": []}', "no JSON .a name stands twice among"),
        (of({**WRITTEN, "fields": {"sample_rate": 8000, "f_min": float("nan")}}), "NaN is no number"),
        (of({**WRITTEN, "fields": {"sample_rate": 8000, "f_min": float("inf")}}), "Infinity is no number"),
        (of({**WRITTEN, "fields": {}}), "LogMel, cannot be made of its fields: TypeError: .*sample_rate"),
        (
            of({**WRITTEN, "fields": {"sample_rate": -1}}),
            "LogMel, cannot be made of its fields: sample_rate=-1 must be",
        ),
        (of({**WRITTEN, "fields": {"sample_rate": 10**400}}), "LogMel, cannot be made of its fields: sample_rate=1000"),
        (of({**WRITTEN, "fields": {"sample_rate": 8000, "n_mels": 10**9}}), "n_mels=1e[+]09 makes a matrix of more"),
        (of({**WRITTEN, "fields": {"sample_rate": 8000, "n_fft": 2**40}}), "makes a matrix of more"),
        (of({**WRITTEN, "transform": ["LogMel"]}), "stands for the name of a transform"),
        (of({**WRITTEN, "version": "1"}), "LogMel, is damaged: its version is '1'"),
        (of({**WRITTEN, "version": True}), "LogMel, is damaged: its version is True"),
        (of({**WRITTEN, "fields": [["sample_rate", 8000]]}), "LogMel, is damaged: .*its fields are"),
        (of({**WRITTEN, "version": 0}), "written in version 0 of its fields, which nothing upgrades"),
        ('{"dataload_chain": true, "transforms": []}', "format True"),
        (None, "this is a NoneType, not JSON text"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_is_wrong_with_a_chain_is_said(text, message):
    with pytest.raises(ChainError, match=message):
        Chain.from_json(text)


EVERY_FIELD = """
import dataclasses, json, resource, warnings
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
warnings.simplefilter("ignore")
from dataload import Chain
from dataload.errors import ChainError
from dataload.registry import encode, registered
known = {"sample_rate": 16000, "duration": 1.0, "length": 100, "seconds": 1.0}
garbage = [None, -1, 0, 1e308, 5e-324, 10**9, 10**30, 10**400, "x", "../../etc/passwd", True, [], [1, 2, 3], [[["x"]]],
    {"transform": "DecodeAudio", "version": 1, "fields": {"sample_rate": 8000}}, "\\udcff", "%s%n", {"a": 1}]
tried = 0
for kind in registered():
    fields = [field for field in dataclasses.fields(kind) if field.init]
    base = {f.name: known.get(f.name, 1) for f in fields
        if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING}
    for field in fields:
        for value in garbage:
            tried += 1
            written = {"transform": kind.__name__, "version": 1, "fields": {**base, field.name: value}}
            try:
                Chain.from_json(json.dumps({"dataload_chain": 1, "transforms": [written]}))
            except ChainError as error:
                assert not isinstance(error.__cause__, MemoryError), (written, error)
assert tried > 1000
print("good")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits of memory are POSIX")
def test_no_field_of_any_transform_takes_another_error_or_much_memory(tmp_path):
    assert run(EVERY_FIELD, tmp_path)[-1] == "good"


def test_a_chain_from_elsewhere_imports_nothing(tmp_path):
    code = """
    import json, sys
    from dataload import Chain
    from dataload.errors import ChainError
    for name in ("os.system", "this.s", "antigravity", "tests.x"):
        try: Chain.from_json(json.dumps({"dataload_chain": 1, "transforms": [
            {"transform": name, "version": 1, "fields": {}}]}))
        except ChainError: continue
        raise SystemExit("read " + name)
    assert "this" not in sys.modules and "antigravity" not in sys.modules
    print("good")
    """
    assert run(code, tmp_path)[-1] == "good"
