"""The loader's batches for one framework each: `from dataload.adapters.torch import to_dataloader`.

Nothing is imported here: a file of this package imports its own framework, and only a user who has it asks for that
file.
"""

if __name__ != "dataload.adapters":
    raise ImportError(
        f"this package is `dataload.adapters`, but it was imported as `{__name__}`, which would make a second copy of "
        "everything in it: write `from dataload.adapters.torch import to_dataloader` or "
        "`from dataload.adapters.tensorflow import to_dataset`"
    )
