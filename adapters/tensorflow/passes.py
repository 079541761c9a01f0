"""The passes that TensorFlow makes over a dataset, and the empty one that `repeat` needs after a short epoch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dataload.adapters.element_spec import conform
from dataload.adapters.hooks import PassHooks
from dataload.adapters.passes import Passes
from dataload.errors import ConfigError
from dataload.loader import Loader


class DatasetPasses(PassHooks):
    """Starts a pass whenever TensorFlow asks for one.

    Args:
        loader: makes the batches.
        spec: what each batch must look like.
        known: whether the dataset has said how many batches there are.
    """

    def __init__(self, loader: Loader, spec: Any, known: bool) -> None:
        self._known = known
        self._loader = loader
        self._plan = loader.plan
        self._ran_short = False
        self._passes = Passes(loader, lambda batch: conform(batch, spec), eager=True, hooks=self)

    def start(self) -> Iterator[Any]:
        """Return the next pass."""
        if self._loader.plan is not self._plan:
            epoch = self._loader.state_dict()["epoch"]
            if self._loader.plan.num_batches(epoch) != self._plan.num_batches(epoch):
                self.length_changed()
        if self._ran_short:
            self._ran_short = False
            return iter(())
        return self._passes.start()

    def length_changed(self) -> None:
        """Say that a Dataset cannot have another number of batches than it was made with.

        Raises:
            ConfigError: it has said how many there are.
        """
        if self._known:
            raise ConfigError(
                "loader.reshard has changed the number of batches, which a Dataset is told when it is made: make "
                "another one, to_dataset(loader), which goes on with the next batch"
            )

    def ran_out(self) -> None:
        """Take note that TensorFlow asked for more than the last batch of a pass.

        It does where `take` has not yet seen as many batches as a whole epoch has. Then `repeat` asks for another pass.
        """
        self._ran_short = self._known
