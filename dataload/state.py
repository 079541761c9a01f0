"""The state of a run: where in which epoch of which data set.

`samples` counts what was delivered to the training loop in this epoch; prefetched batches do not count. There is no
worker in it, so it restores with any number and kind of them, and with another batch size.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from dataload.batching import ListedBatches, Plan, SizedBatches
from dataload.errors import StateError
from dataload.samplers.foreign import ForeignSampler
from dataload.sources.base import fingerprint

VERSION = 1
State = dict[str, Any]


def make_state(identity: dict[str, Any], seed: int, epoch: int, samples: int, order: str | None) -> State:
    """Return a state as plain JSON.

    Args:
        identity: of the data, see `identify`.
        seed: of the loader.
        epoch: the epoch that is under way, or the next one.
        samples: delivered in that epoch so far.
        order: digest of a foreign sampler's order in that epoch; None where the order follows from the seed.
    """
    return {
        "version": VERSION,
        "fingerprint": {**identity, "order": order},
        "seed": seed,
        "epoch": epoch,
        "samples": samples,
    }


def identify(source: Any, plan: Plan) -> dict[str, Any]:
    """Return what must be the same for a state to make sense: the data set and the sampler."""
    return {"source": fingerprint(source), "length": len(source), "sampler": _sampler_name(plan)}


def _sampler_name(plan: Plan) -> str:
    sampler: Any
    if isinstance(plan, ListedBatches):
        sampler, prefix = plan.sampler, "batch_sampler "
    else:
        assert isinstance(plan, SizedBatches)
        sampler, prefix = plan.sampler, ""
    # The library's own say by their repr what their order depends on; that of another object may be its address. The
    # order of a foreign sampler has a digest of its own in the state.
    own = type(sampler).__module__.startswith("dataload.") or dataclasses.is_dataclass(sampler)
    return prefix + (repr(sampler) if own and not isinstance(sampler, ForeignSampler) else type(sampler).__qualname__)


def check_state(state: Any, identity: dict[str, Any], seed: int) -> tuple[int, int, str | None]:
    """Return (epoch, samples, order) of a state, if it belongs to this loader.

    Raises:
        StateError: it is no state, of a newer version, or of another data set, sampler or seed; the message names
            the difference.
    """
    if not isinstance(state, dict) or not {"version", "fingerprint", "seed", "epoch", "samples"} <= state.keys():
        raise StateError(
            f"this is not a state of a Loader, which has version, fingerprint, seed, epoch, samples: {state!r:.200}"
        )
    # Version 1 is the first. A later one is to read all before it.
    if state["version"] not in range(1, VERSION + 1):
        raise StateError(
            f"the state has version {state['version']!r}, this dataload reads up to {VERSION}: install a newer dataload"
        )
    saved = state["fingerprint"]
    for name, here in identity.items():
        if saved.get(name) != here:
            raise StateError(
                f"the state belongs to another {name}: it was saved with {saved.get(name)!r}, this loader has "
                f"{here!r}. Make the loader as it was when the state was saved, or start a new run"
            )
    if state["seed"] != seed:
        raise StateError(
            f"the state was saved with seed={state['seed']}, this loader has seed={seed}: pass the same seed"
        )
    epoch, samples = state["epoch"], state["samples"]
    for name, value in (("epoch", epoch), ("samples", samples)):
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise StateError(f"the state is damaged: its {name} is {value!r}, not a whole number from 0 up")
    return epoch, samples, saved.get("order")
