#!/usr/bin/env python3
"""The U-Net of benchmarks/image_steps.hpp in JAX, by jit: its Diamond step and training step against diamond's, results first.

python3 jax_unet.py <folder of benchmark_write_cases> checks the results; run_cpu.py times both.
"""
import functools
import json
import pathlib
import sys

import common
import jax
import jax.numpy as jnp
import numpy as np
from jax_peer import at, gradient, step, training_step

IMAGES = 256


def convolve(node, weight, bias, x):
    """Maps are images x height x width x channels, which XLA prefers on a CPU; weights are those of a PyTorch Conv2d."""
    stride, padding = int(node["stride"]), int(node["padding"])
    if node["kernel"] == 1 and stride == 1 and padding == 0:
        return x @ weight[:, :, 0, 0].T + bias
    window = [(padding, padding)] * 2
    return jax.lax.conv_general_dilated(x, weight.transpose(2, 3, 1, 0), (stride, stride), window, dimension_numbers=("NHWC", "HWIO", "NHWC")) + bias


def group_norm(node, weight, bias, x):
    n, h, w, c = x.shape
    grouped = x.reshape(n, h * w, int(node["groups"]), -1)
    mean, variance = grouped.mean((1, 3), keepdims=True), grouped.var((1, 3), keepdims=True)
    return ((grouped - mean) * jax.lax.rsqrt(variance + node["epsilon"])).reshape(x.shape) * weight + bias


def attend(node, x):
    n, h, w, c = x.shape
    q, k, v = jnp.moveaxis(x.reshape(n, h * w, 3, int(node["heads"]), -1), 2, 0)
    scores = jnp.einsum("nqhd,nkhd->nhqk", q, k) / np.sqrt(q.shape[-1]).astype(np.float32)
    return jnp.einsum("nhqk,nkhd->nqhd", jax.nn.softmax(scores), v).reshape(n, h, w, c // 3)


def modulate(node, x, by):
    first, c = int(node["first"]), x.shape[-1]
    return x * (1 + by[..., first : first + c]) + by[..., first + c : first + 2 * c]


def take(node, rows):
    first, shape = int(node["first"]), tuple(int(node[name]) for name in ("channels", "height", "width"))
    return rows[:, first : first + int(np.prod(shape))].reshape(-1, *shape).transpose(0, 2, 3, 1)


def up_sample(node, x):
    factor = int(node["factor"])
    return x.repeat(factor, 1).repeat(factor, 2)


LAYERS = {
    "convolution": convolve,
    "group_norm": group_norm,
    "activation": lambda node, x: jax.nn.silu(x),  # the only one that the case has
    "sum": lambda node, a, b: a + b,
    "modulation": modulate,
    "concatenation": lambda node, a, b: jnp.concatenate([a, b], -1),
    "up_sampling": up_sample,
    "self_attention": attend,
}


def graph(nodes, tensors, rows):
    """The rows that the graph gives; tensors have the names '<node>.weight' and '<node>.bias'."""
    maps = []
    for i, node in enumerate(nodes):
        if node["layer"] == "input":
            maps.append(take(node, rows))
            continue
        own = [tensors[f"{i}.{part}"] for part in ("weight", "bias") if f"{i}.{part}" in tensors]
        maps.append(LAYERS[node["layer"]](node, *own, *(maps[k] for k in node["from"])))
    return maps[-1].transpose(0, 3, 1, 2).reshape(len(rows), -1)


class Peer:
    """The network, its checks against the cases, and the jobs that are timed."""

    def __init__(self, folder):
        tensors, metadata = common.read_safetensors(pathlib.Path(folder) / "unet.safetensors")
        self.layers = {name: jnp.array(tensor) for name, tensor in tensors.items()}
        nodes = json.loads(metadata["nodes"])
        forward = functools.partial(graph, nodes)
        self.step = functools.partial(step, forward=forward)
        self.gradient = functools.partial(gradient, forward=forward)
        self.training_step = functools.partial(training_step, forward=forward)
        self.dimension = 28 * 28
        self.frame = {name: jnp.full(self.dimension, number, jnp.float64) for name, number in (("mean", 0.1), ("variance", 0.5))}
        self.checks = self.check(folder)

    def check(self, folder):
        checks = common.Checks("JAX", "unet")
        tensors, self.numbers = common.case(folder, "step", "unet")
        times = [self.numbers[name] for name in ("t", "inner_time", "outer", "inner")]
        found = jax.jit(self.step)(self.layers, self.frame, jnp.array(tensors["x"]), jnp.array(tensors["noise"]), *times)
        checks("step", found, tensors["out"])
        tensors, numbers = common.case(folder, "training", "unet")
        times = (jnp.array(tensors[name]).reshape(-1, 1) for name in ("t", "s", "r"))
        (_, reported), found = jax.jit(self.gradient)(self.layers, self.layers, self.frame, numbers["floor"], jnp.array(tensors["x_t"]), jnp.array(tensors["xbar"]), *times)
        norm = float(np.sqrt(sum(np.sum(np.asarray(part, np.float64) ** 2) for part in found.values())))
        checks("training", reported, numbers["loss"])
        checks("training", norm, numbers["norm"])
        unit = max(float(np.max(np.abs(tensors[f"moment.{name}"]))) for name in found)
        for name, part in found.items():
            checks("training", (1 - common.BETAS[0]) * min(1.0, 1.0 / norm) * np.asarray(part), tensors[f"moment.{name}"], unit=unit)
        return checks

    def prepare(self, kind, images=IMAGES):
        """A job as common.fastest_ms wants it; noise is drawn in what is timed, as ours is."""
        key = jax.random.key(1)
        normal = lambda key, rows: jax.random.normal(key, (rows, self.dimension), jnp.float32)
        if kind == "unet_step":
            times = [self.numbers[name] for name in ("t", "inner_time", "outer", "inner")]
            whole, x = jax.jit(lambda layers, key, x: self.step(layers, self.frame, x, normal(key, images), *times)), normal(jax.random.key(2), images)
            return lambda: whole(self.layers, key, x).block_until_ready()
        zeros = jax.tree.map(jnp.zeros_like, self.layers)
        points = normal(jax.random.key(3), 1000)
        whole = jax.jit(lambda state, key: self.training_step(images, state, self.frame, 1e-3, 1e-3, points, key))
        state = (self.layers, self.layers, zeros, zeros)
        return lambda: jax.block_until_ready(whole(state, key))


if __name__ == "__main__":
    Peer(sys.argv[1]).checks.tell(jax.devices()[0])
