"""What a run delivered, and the proof that it was every sample once, in order, whatever happened to it."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dataload.samplers import Sampler


@dataclass(frozen=True)
class Delivery:
    """One batch that one rank got.

    Attributes:
        run: number of the process.
        epoch: of the batch.
        rank: who got it.
        start: samples of the epoch that all ranks had before this step.
        stop: samples that they had after it.
        ids: of the samples, in order.
    """

    run: int
    epoch: int
    rank: int
    start: int
    stop: int
    ids: tuple[int, ...]


def read(path: Path) -> list[Delivery]:
    """Return what was written down; a last line that was cut off by a kill is left out."""
    lines = path.read_text(encoding="utf-8").split("\n")[:-1] if path.exists() else []
    return [Delivery(**{**entry, "ids": tuple(entry["ids"])}) for entry in map(json.loads, lines)]


def kept(deliveries: list[Delivery], states: dict[int, tuple[int, int]]) -> list[Delivery]:
    """Return what counts: of each run what came before the state that the next one went on from.

    Args:
        deliveries: of all runs.
        states: (epoch, samples) that each run went on from.
    """
    last = max(states)
    return [d for d in deliveries if d.run == last or (d.epoch, d.stop) <= states[d.run + 1]]


def check(deliveries: list[Delivery], sampler: Sampler, epochs: int) -> None:
    """Fail unless every step is the next part of the order of its epoch, cut among its ranks, with nothing left out."""
    length = len(sampler)
    for epoch in range(epochs):
        order = sampler.indices(epoch, 0, length)
        steps: dict[tuple[int, int], list[Delivery]] = {}
        for delivery in deliveries:
            if delivery.epoch == epoch:
                steps.setdefault((delivery.start, delivery.stop), []).append(delivery)
        position = 0
        for (start, stop), parts in sorted(steps.items()):
            assert start == position, f"epoch {epoch}: samples {position}:{start} were lost or repeated"
            position = stop
            parts.sort(key=lambda part: part.rank)
            assert [part.rank for part in parts] == list(range(len(parts))), (
                f"epoch {epoch}, {start}: ranks are missing"
            )
            ids = np.array([i for part in parts for i in part.ids])
            # Ranks for which nothing was left got samples of the beginning.
            again = len(ids) - (stop - start)
            assert np.array_equal(ids, np.concatenate([order[start:stop], order[:again]]))
        assert position == length, f"epoch {epoch}: samples {position}:{length} never came"
