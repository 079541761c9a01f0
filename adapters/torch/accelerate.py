"""What Accelerate wants to know of a DataLoader under way: gradient accumulation ends with its last batch.

Apart from the DataLoader, because it speaks of another library, and only with users who have imported that.
"""

from __future__ import annotations

import sys
from typing import Any


def _gradient_state() -> Any:
    """Return Accelerate's singleton; None where nobody has made an Accelerator."""
    module = sys.modules.get("accelerate.state")
    state = getattr(module, "GradientState", None)
    return state() if state is not None and state._shared_state else None


def began(dataloader: Any) -> None:
    """Say that this DataLoader is the one under way."""
    state = _gradient_state()
    if state is not None and dataloader is not None:
        state._add_dataloader(dataloader)


def ended(dataloader: Any) -> None:
    """Say that it no longer is."""
    state = _gradient_state()
    if state is not None and dataloader is not None:
        state._remove_dataloader(dataloader)
