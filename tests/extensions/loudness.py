"""A transform of one's own with a counterpart in graphs, written and read as JSON: decibels of a spectrogram."""

from dataclasses import dataclass

import numpy as np

from dataload.chain import Spec
from dataload.chain_json import register
from dataload.graph import GraphStep, Log


@register
@dataclass(frozen=True)
class Loudness:
    """Decibels of a power, none below `floor`."""

    floor: float = 1e-6

    def __call__(self, power):
        return (10 * np.log10(np.maximum(power, np.float32(self.floor)))).astype(np.float32)

    def output_spec(self, spec: Spec) -> Spec:
        return spec

    def graph_steps(self, axis: int) -> list[GraphStep]:
        return [Log(offset=0.0, floor=float(np.float32(self.floor)), factor=10 / np.log(10))]
