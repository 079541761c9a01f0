"""Chains as JSON: the same chain again, later, elsewhere, or a clear word."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import dataload.transforms
from dataload import Chain, chain_json
from dataload.chain_json import register
from dataload.errors import ChainError
from dataload.transforms import (
    MFCC,
    DecodeAudio,
    LogMel,
    MelSpectrogram,
    Normalize,
    PadOrTrim,
    RandomCrop,
    Resample,
    SpecAugment,
    Spectrogram,
)

# A chain of one transform each, as version 0.1.0 wrote it: every transform that can be written, and every preset.
WRITTEN_BY_0_1_0 = json.loads((Path(__file__).parent / "data" / "chains-0.1.0.json").read_text())

CHAINS = [
    [DecodeAudio(8_000), LogMel(8_000, n_mels=40), Normalize()],
    [DecodeAudio(8_000, mono=False)],
    [Resample(8_000, 16_000), RandomCrop(400), Spectrogram(16_000, power=1.0, pad_mode="constant")],
    [MFCC(22_050, n_mfcc=20, n_mels=128, n_fft=2048, win_length=2048, hop_length=512, top_db=None)],
    [MelSpectrogram(16_000, f_min=20.0, norm=None), SpecAugment(fill=0.0), PadOrTrim(50, value=-1.5)],
    [Normalize(mean=[1.0, 2.0], std=[0.5, 0.1])],
    [],
]


@dataclass(frozen=True)
class Scaling:
    factor: float = 2.0
    bias: float = 0.0

    def __call__(self, x):
        return x * self.factor + self.bias


@dataclass(frozen=True)
class Twice:
    inner: Scaling

    def __call__(self, x):
        return self.inner(self.inner(x))


@pytest.mark.parametrize("row", CHAINS, ids=str)
def test_a_chain_comes_back_equal(row):
    chain = Chain(row)
    assert Chain.from_json(chain.to_json()) == chain


def test_every_parameter_is_written_so_that_another_default_later_changes_nothing():
    (written,) = json.loads(Chain([LogMel(16_000)]).to_json())["transforms"]
    assert written["transform"] == "LogMel" and written["version"] == 1
    assert written["fields"].items() >= {"n_mels": 80, "f_max": 8000.0, "hop_length": 160, "log": "ln"}.items()


def test_a_parameter_that_was_added_since_takes_its_default():
    content = json.loads(Chain([LogMel(16_000, n_mels=64)]).to_json())
    del content["transforms"][0]["fields"]["top_db"]
    assert Chain.from_json(json.dumps(content)) == Chain([LogMel(16_000, n_mels=64)])


@pytest.mark.parametrize("content", WRITTEN_BY_0_1_0, ids=lambda content: content["transforms"][0]["transform"])
def test_a_chain_of_version_0_1_0_is_read_and_written_again_with_the_same_words(content):
    chain = Chain.from_json(json.dumps(content))
    again = json.loads(chain.to_json())
    assert Chain.from_json(chain.to_json()) == chain
    assert _old_words(again, content) == content


def _old_words(new, old):
    """What was written again, without the fields that a transform has got since."""
    if isinstance(old, dict):
        assert old.keys() <= new.keys()
        return {key: _old_words(new[key], value) for key, value in old.items()}
    if isinstance(old, list):
        return [_old_words(a, b) for a, b in zip(new, old, strict=True)]
    return new


def test_every_transform_that_can_be_written_is_among_them():
    names = {content["transforms"][0]["transform"] for content in WRITTEN_BY_0_1_0}
    # RoomImpulse always holds a source, which JSON has no word for, and the others work on batches.
    assert names == set(dataload.transforms.__all__) - {"RoomImpulse", "Mixup", "CutMix"}


def test_the_functions_are_the_methods():
    chain = Chain([LogMel(8_000)])
    assert chain_json.to_json(chain) == chain.to_json()
    assert chain_json.from_json(chain.to_json()) == chain
    assert json.loads(chain.to_json())["dataload_chain"] == chain_json.FORMAT


def test_a_fresh_process_reads_it_without_importing_the_transforms_itself():
    text = Chain([LogMel(8_000, n_mels=8)]).to_json()
    script = (
        "import sys; from dataload import Chain; import numpy as np\n"
        "print(Chain.from_json(sys.argv[1])(np.zeros(800, np.float32)).shape)"
    )
    ended = subprocess.run([sys.executable, "-c", script, text], stdout=subprocess.PIPE, text=True, check=True)
    assert ended.stdout == "(11, 8)\n"


def test_only_a_name_that_is_not_known_makes_a_process_import_the_transforms():
    register(Scaling)
    script = (
        "import sys\nfrom dataclasses import dataclass\nfrom dataload import Chain\n"
        "from dataload.chain_json import register\n"
        "@register\n@dataclass(frozen=True)\nclass Scaling:\n"
        "    factor: float\n    bias: float\n    def __call__(self, x): return x * self.factor\n"
        "print(Chain.from_json(sys.argv[1])(2.0), 'dataload.transforms' in sys.modules, 'scipy' in sys.modules)"
    )
    text = Chain([Scaling(3.0)]).to_json()
    ended = subprocess.run([sys.executable, "-c", script, text], stdout=subprocess.PIPE, text=True, check=True)
    assert ended.stdout == "6.0 False False\n"


@dataclass(frozen=True, repr=False)
class Derived(LogMel):
    """A subclass that nobody registered."""


def test_a_subclass_of_a_registered_class_is_not_registered_itself():
    with pytest.raises(ChainError, match=r"transform 0 is Derived\(8000\), which JSON has no name for"):
        Chain([Derived(8_000)]).to_json()


def test_own_transforms_are_registered_and_may_hold_others():
    register(Scaling)
    register(Twice)
    chain = Chain([Twice(Scaling(3.0)), Scaling()])
    again = Chain.from_json(chain.to_json())
    assert again == chain and again(1.0) == 18.0


def test_an_older_version_of_the_parameters_is_upgraded():
    register(Scaling)
    text = Chain([Scaling(0.5)]).to_json()

    def upgrade(version, fields):
        assert version == 1
        return {**fields, "factor": fields["factor"] * 10}

    register(Scaling, version=2, upgrade=upgrade)
    assert Chain.from_json(text) == Chain([Scaling(5.0)])
    newer = Chain([Scaling(0.5)]).to_json()
    register(Scaling, version=2)
    with pytest.raises(ChainError, match="Scaling, was written in version 1 of its fields, which nothing upgrades"):
        Chain.from_json(text)
    register(Scaling)
    with pytest.raises(
        ChainError, match="Scaling, was written in version 2 of its fields, here is 1: install newer code"
    ):
        Chain.from_json(newer)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([LogMel(8_000, n_mels=40), lambda x: x], "transform 1 is .*<lambda>, which JSON has no name for"),
        ([np.abs], "transform 0 is absolute, which JSON has no name for"),
    ],
)
def test_what_has_no_name_is_refused_when_it_is_written(row, message):
    with pytest.raises(ChainError, match=message):
        Chain(row).to_json()


def test_a_value_that_json_has_no_word_for_is_named():
    register(Scaling)
    with pytest.raises(ChainError, match="factor of Scaling is array"):
        Chain([Scaling(np.zeros(2))]).to_json()
    with pytest.raises(ChainError, match="factor of Scaling is inf"):
        Chain([Scaling(float("inf"))]).to_json()


def changed(change):
    content = json.loads(Chain([LogMel(8_000, n_mels=40)]).to_json())
    change(content)
    return json.dumps(content)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nonsense", "this is no JSON"),
        ("[1]", "this is not a chain"),
        (changed(lambda c: c.update(dataload_chain=2)), "format 2, this dataload reads 1"),
        (changed(lambda c: c["transforms"][0].update(transform="os.system")), "'os.system', which is not registered"),
        (changed(lambda c: c["transforms"][0]["fields"].update(colour=1)), "LogMel has no parameter colour here"),
        (changed(lambda c: c["transforms"][0].pop("version")), "transform 0 is damaged"),
    ],
)
def test_what_is_no_chain_of_this_version_is_refused_with_the_reason(text, message):
    with pytest.raises(ChainError, match=message):
        Chain.from_json(text)


def test_a_name_is_not_taken_twice():
    register(Scaling)
    with pytest.raises(ChainError, match="named LogMel is registered already, from dataload"):
        register(type("LogMel", (Scaling,), {}))
    with pytest.raises(ChainError, match="is no dataclass"):
        register(len)
