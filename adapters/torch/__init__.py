"""The loader in torch: as a DataLoader, as a map-style Dataset, and its transforms as a module for deployment.

Everything here is made of three functions; what else is in this package are the classes that they return.
"""

from dataload.adapters.messages import missing_extra

try:
    import torch  # noqa: F401  (asked for first, so that one place says what to do where it is missing)
except ImportError as error:
    raise missing_extra("torch", "torch", error) from error

from dataload.adapters.torch.dataloader import TorchLoader, to_dataloader
from dataload.adapters.torch.dataset import TorchDataset, to_dataset
from dataload.adapters.torch.module import ChainModule, to_module

__all__ = ["ChainModule", "TorchDataset", "TorchLoader", "to_dataloader", "to_dataset", "to_module"]
