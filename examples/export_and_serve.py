"""Export a model together with its features, and serve it from a waveform: torch.export, ONNX and SavedModel.

python examples/export_and_serve.py tests/data/speech --output exported

What is exported needs this library no more: the features that the model was trained on are a part of it. The chain
itself is written too, for whoever trains the next model.
"""

from pathlib import Path

import numpy as np
import torch
from digits import FEATURES, arguments
from torch_training import make_model

from dataload import Chain
from dataload.adapters.torch import to_module
from dataload.transforms import DecodeAudio


class Server(torch.nn.Module):
    """From (batch, samples) at 8 kHz to ten logits."""

    def __init__(self, chain: Chain, model: torch.nn.Module) -> None:
        super().__init__()
        self.features, self.model = to_module(chain), model

    def forward(self, waveform: torch.Tensor) -> torch.Tensor:
        """Return the logits."""
        logits: torch.Tensor = self.model(self.features(waveform).mT)
        return logits


def main() -> None:
    """Export in every form that is installed here, and compare what they say of a recording."""
    given = arguments(output="exported")
    folder = Path(given.output)
    folder.mkdir(exist_ok=True)
    chain = Chain(FEATURES)
    (folder / "features.json").write_text(chain.to_json())
    server = Server(Chain.from_json((folder / "features.json").read_text()), make_model()).eval()
    waveform = torch.from_numpy(DecodeAudio(8_000)(sorted(given.folder.glob("*.wav"))[0]))[None]
    expected = server(waveform).detach().numpy()

    sizes = ({0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC},)
    example = (torch.zeros(2, 8_000),)
    torch.export.save(torch.export.export(server, example, dynamic_shapes=sizes), folder / "server.pt2")
    served = torch.export.load(folder / "server.pt2").module()(waveform).detach().numpy()
    print(f"torch.export: largest difference {np.abs(served - expected).max():.1e}")

    path = folder / "server.onnx"
    torch.onnx.export(server, example, path, dynamo=True, dynamic_shapes=sizes, external_data=False, verbose=False)
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (served,) = session.run(None, {session.get_inputs()[0].name: waveform.numpy()})
    print(f"ONNX: largest difference {np.abs(served - expected).max():.1e}")

    import tensorflow as tf

    from dataload.adapters.tensorflow import to_module as to_tensorflow

    tf.saved_model.save(to_tensorflow(chain), str(folder / "features"))
    features = tf.saved_model.load(str(folder / "features"))(waveform.numpy()).numpy()
    print(f"SavedModel: largest difference {np.abs(features[0] - chain(waveform[0].numpy())).max():.1e}")


if __name__ == "__main__":
    main()
