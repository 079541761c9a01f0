"""JAX: batches on all devices, ahead of the step that takes them.

python examples/jax_training.py tests/data/speech
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from digits import FRAMES, MELS, arguments, loaders
from jax.sharding import NamedSharding, PartitionSpec

from dataload.adapters.jax import to_jax

Params = dict[str, Any]


def make_params(key: Any) -> Params:
    """Return the weights of two layers over (frames, mels)."""
    first, second = jax.random.split(key)
    size = FRAMES * MELS
    return {
        "w1": jax.random.normal(first, (size, 128)) / size**0.5,
        "b1": jnp.zeros(128),
        "w2": jax.random.normal(second, (128, 10)) / 128**0.5,
        "b2": jnp.zeros(10),
    }


def logits(params: Params, audio: Any) -> Any:
    """Return ten logits for each of (batch, frames, mels)."""
    hidden = jax.nn.relu(audio.reshape(len(audio), -1) @ params["w1"] + params["b1"])
    return hidden @ params["w2"] + params["b2"]


@jax.jit
def loss(params: Params, audio: Any, label: Any) -> Any:
    """Return the mean cross-entropy."""
    return -jnp.take_along_axis(jax.nn.log_softmax(logits(params, audio)), label[:, None], axis=1).mean()


@partial(jax.jit, donate_argnums=0)
def step(params: Params, audio: Any, label: Any) -> Params:
    """Return the weights one step down the gradient."""
    gradients = jax.grad(loss)(params, audio, label)
    return jax.tree.map(lambda weight, gradient: weight - 0.1 * gradient, params, gradients)


def main() -> None:
    """Train and test."""
    given = arguments()
    mesh = jax.make_mesh((jax.device_count(),), ("data",))
    spread = NamedSharding(mesh, PartitionSpec("data"))
    train, test = loaders(given.folder, drop_last=True)
    params = jax.device_put(make_params(jax.random.key(0)), NamedSharding(mesh, PartitionSpec()))
    batches = to_jax(train, spread)  # state_dict and load_state_dict are those of the loop
    for _ in range(given.epochs):
        for audio, label in batches:
            params = step(params, audio, label)
    right = [logits(params, audio).argmax(axis=1) == label for audio, label in to_jax(test)]
    print(f"devices: {jax.device_count()}, accuracy: {jnp.concatenate(right).mean():.3f}")


if __name__ == "__main__":
    main()
