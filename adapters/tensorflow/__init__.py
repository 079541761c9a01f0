"""The loader in TensorFlow: as a Dataset, its state in a Checkpoint, and its transforms as a module for deployment.

Everything here is made of three names; what else is in this package is behind them.
"""

from dataload.adapters.messages import missing_extra

try:
    import tensorflow  # noqa: F401  (asked for first, so that one place says what to do where it is missing)
except ImportError as error:
    raise missing_extra("tensorflow", "tensorflow", error) from error

from dataload.adapters.tensorflow.checkpoint import LoaderState
from dataload.adapters.tensorflow.dataset import to_dataset
from dataload.adapters.tensorflow.module import ChainModule, to_module

__all__ = ["ChainModule", "LoaderState", "to_dataset", "to_module"]
