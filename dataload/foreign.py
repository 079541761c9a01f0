"""Arrays of other libraries, on the same memory where they can be, and lists of numbers as arrays of numpy."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataload.errors import CollateError
from dataload.unlike import BEYOND_64_BITS

_MASKED = (
    "is a masked array, and arrays of a batch have no mask: use x.filled(value) in a transform, with "
    "numpy.ma.getmaskarray(x) in another field where the mask is needed"
)


def is_masked(value: Any) -> bool:
    """Return whether a value is a masked array."""
    # Importing numpy.ma takes 6 ms of the start of a worker; who has such an array has imported it.
    masked: Any = sys.modules.get("numpy.ma")
    return masked is not None and isinstance(value, masked.MaskedArray)


def as_array(value: Any) -> NDArray[Any]:
    """Return an array of numpy for an array of any library, a number or a list of numbers.

    torch's bfloat16 and float8 become those of ml_dtypes.

    Raises:
        CollateError: there is none, such as for a sparse tensor, or it would lose something: a mask, or a gradient.
            The message goes on after the name of a field: "is a masked array, ...".
    """
    if is_masked(value):
        raise CollateError(_MASKED)
    try:
        return np.asarray(value)
    except Exception as error:
        torch: Any = sys.modules.get("torch")
        if torch is not None and isinstance(value, torch.Tensor) and not value.requires_grad:
            array = _small_floats(value, torch)
            if array is not None:
                return array
        raise CollateError(
            f"is a {type(value).__name__} that does not make an array ({error}): make an array of it in a transform"
        ) from error


def _small_floats(tensor: Any, torch: Any) -> NDArray[Any] | None:
    """Return a tensor of a type that numpy lacks as one of ml_dtypes; None where the type is not what is amiss."""
    name = str(tensor.dtype).removeprefix("torch.")
    if not name.startswith(("bfloat16", "float8_")) or tensor.layout != torch.strided or tensor.device.type != "cpu":
        return None
    try:
        import ml_dtypes
    except ImportError as error:
        raise CollateError(
            f"is a tensor of {name}, which numpy has only with the package ml_dtypes: install that, or use x.float() "
            "in a transform"
        ) from error
    dtype = getattr(ml_dtypes, name, None)
    if dtype is None:
        return None
    same_size = torch.int16 if tensor.element_size() == 2 else torch.uint8
    array: NDArray[Any] = tensor.view(same_size).numpy().view(dtype)
    return array


def list_as_array(numbers: list[Any]) -> NDArray[Any]:
    """Return the array of a list of numbers.

    Raises:
        CollateError: it has whole numbers beyond 64 bits; the message goes on after the name of a field.
    """
    types = set(map(type, numbers))
    whole = all(issubclass(cls, int | np.integer | np.bool_) for cls in types)
    try:
        # Where numpy finds the dtype, whole numbers beyond int64 become rounded floats.
        array = np.array(numbers, np.int64) if types == {int} else np.asarray(numbers)
    except OverflowError:
        raise CollateError(BEYOND_64_BITS) from None
    if array.dtype.kind == "O" or (types and whole and array.dtype.kind not in "biu"):
        raise CollateError(BEYOND_64_BITS)
    return array
