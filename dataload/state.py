"""The state of a run: where in which epoch of which data set.

`samples` counts what was delivered to the training loop in this epoch; prefetched batches do not count. There is no
worker in it, so it restores with any number and kind of them, and with another batch size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dataload.errors import StateError
from dataload.kinds import is_integer

if TYPE_CHECKING:
    from dataload.batching import Plan

VERSION = 1
State = dict[str, Any]

# Far above any epoch or sample number, and small enough for every generator and array that is asked for it.
MAX_NUMBER = 1 << 62


@dataclass(frozen=True)
class Identity:
    """What must be the same for a state to make sense: the data set and the order.

    Attributes:
        source: fingerprint of the source.
        length: samples in it.
        sampler: fingerprint of the sampler or batch sampler.
    """

    source: str
    length: int
    sampler: str


@dataclass(frozen=True)
class Position:
    """A place in a run, as a state holds it.

    Attributes:
        epoch: that is under way, or the next one.
        samples: delivered in that epoch so far.
        order: digest of a foreign sampler's order in that epoch; None where the order follows from the seed.
    """

    epoch: int
    samples: int
    order: str | None = None


def make_state(identity: Identity, seed: int, position: Position) -> State:
    """Return a state as plain JSON."""
    return {
        "version": VERSION,
        "fingerprint": {**vars(identity), "order": position.order},
        "seed": seed,
        "epoch": position.epoch,
        "samples": position.samples,
    }


def check_state(state: Any, identity: Identity, seed: int) -> Position:
    """Return the position of a state, if it belongs to this loader.

    Raises:
        StateError: it is no state, of a newer version, or of another data set, sampler or seed; the message names
            the difference.
    """
    if not isinstance(state, dict) or not {"version", "fingerprint", "seed", "epoch", "samples"} <= state.keys():
        raise StateError(
            f"this is not a state of a Loader, which has version, fingerprint, seed, epoch, samples: {state!r:.200}"
        )
    version, saved = state["version"], state["fingerprint"]
    # Version 1 is the first. A later one is to read all before it.
    if not is_integer(version) or not 1 <= version <= VERSION:
        raise StateError(
            f"the state has version {version!r:.40}, this dataload reads up to {VERSION}: install a newer dataload"
        )
    if not isinstance(saved, dict):
        raise StateError(f"the state is damaged: its fingerprint is {saved!r:.40}, not a dict")
    for name, here in vars(identity).items():
        if saved.get(name) != here:
            raise StateError(
                f"the state belongs to another {name}: it was saved with {saved.get(name)!r:.200}, this loader has "
                f"{here!r}. Make the loader as it was when the state was saved, or start a new run"
            )
    if not is_integer(state["seed"]) or state["seed"] != seed:
        raise StateError(
            f"the state was saved with seed={state['seed']!r:.40}, this loader has seed={seed}: pass the same seed"
        )
    for name in ("epoch", "samples"):
        value = state[name]
        if not is_integer(value) or not 0 <= value < MAX_NUMBER:
            raise StateError(f"the state is damaged: its {name} is {value!r:.40}, not a whole number from 0 up")
    order = saved.get("order")
    if not isinstance(order, str | None):
        raise StateError(f"the state is damaged: its order is {order!r:.40}, not a digest")
    return Position(state["epoch"], state["samples"], order)


def check_position(position: Position, plan: Plan) -> None:
    """Raise StateError if an epoch of the plan has no such place, or another order than the state was saved in."""
    epoch, samples = position.epoch, position.samples
    if position.order is not None and position.order != plan.order_digest(epoch):
        raise StateError(
            f"the sampler gives another order in epoch {epoch} than when the state was saved, so which samples are "
            "left cannot be told: make its order depend on set_epoch or on a torch generator with a fixed seed"
        )
    if samples and samples > (num_samples := plan.num_samples(epoch)):
        raise StateError(
            f"the state is damaged: {samples} samples of epoch {epoch} were delivered, which has {num_samples}"
        )
