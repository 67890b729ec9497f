#!/usr/bin/env python3
"""Writes a network of this library, a file of diamond::io::save_network, as ONNX, with its products: for programs that have another runtime.

python3 diamond_to_onnx.py NETWORK.safetensors NETWORK.onnx     # also NETWORK.vjp.onnx and NETWORK.jvp.onnx, see export.py

The inputs are xbar, x_t, t, s, r and, where the network has classes, `condition`: labels of which -1 is no class. The network must be
a residual MLP of silu or gelu on the linear schedule, without vector conditions. Needs jax, jax2onnx and onnx.
"""
import argparse
import json
import math
import pathlib
import struct

import jax
import jax.numpy as jnp
import numpy as np
from export import jax_to_onnx

TYPES = {"F32": "<f4", "F64": "<f8"}
KNOWN = {
    "format": "diamond_network",
    "schedule": "linear",
    "inner_schedule": "linear",
    "parametrisation": "mean_velocity",
    "time_direction": "noise_to_data",
    "preconditioning": "gaussian_frame",
    "architecture": "residual_mlp",
}
NONLINEARITIES = {"silu": jax.nn.silu, "gelu": lambda x: jax.nn.gelu(x, approximate=False)}


def read_safetensors(path):
    """Tensors by name, and the metadata."""
    data = pathlib.Path(path).read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        first, last = (8 + size + offset for offset in entry["data_offsets"])
        tensors[name] = np.frombuffer(data[first:last], TYPES[entry["dtype"]]).reshape(entry["shape"])
    return tensors, metadata


def ratio(a, b):
    """a / b, and 0 where b is 0."""
    return jnp.where(b > 0, a / jnp.where(b > 0, b, 1.0), 0.0)


def combined_time(t, s):
    q = (1 - t) * (1 - s)
    h = jnp.sqrt((t * (1 - s)) ** 2 + ((1 - t) * s) ** 2)
    return jnp.where(h + q > 0, ratio(h, h + q), 1.0)


def features(tau, frequencies):
    waves = [wave(2**f * math.pi * tau) for f in range(frequencies) for wave in (jnp.sin, jnp.cos)]
    return jnp.concatenate([2 * tau - 1, *waves], 1)


def network(tensors, metadata):
    """v(xbar, x_t, t, s, r[, label]) of examples/studies/digits/pytorch/write_network.py's DiamondNetwork, and its inputs."""
    for key, value in KNOWN.items():
        if metadata.get(key) != value:
            raise SystemExit(f"diamond_to_onnx.py: {key} is {metadata.get(key)!r} in this file, and {value!r} is what is known here")
    known = {"frame.mean", "frame.variance", "frame.basis", *(f"layers.{i}.{part}" for i in range(int(metadata["blocks"]) + 2) for part in ("weight", "bias"))}
    if metadata["nonlinearity"] not in NONLINEARITIES or not set(tensors) <= known:
        raise SystemExit(f"diamond_to_onnx.py: the nonlinearity {metadata['nonlinearity']}, or one of {', '.join(sorted(set(tensors) - known))}, is not known here")
    real = lambda name: tensors[name].astype("float32")
    mean, c, classes = tensors["frame.mean"], real("frame.variance"), int(metadata["classes"])
    basis = real("frame.basis") if "frame.basis" in tensors else None
    mean = (mean if basis is None else mean @ tensors["frame.basis"].T).astype("float32")
    layers = [(real(f"layers.{i}.weight").T, real(f"layers.{i}.bias")) for i in range(int(metadata["blocks"]) + 2)]
    nonlinearity, frequencies = NONLINEARITIES[metadata["nonlinearity"]], int(metadata["time_frequencies"])
    slots = np.eye(classes + 1, dtype="float32")

    def evaluate(xbar, x_t, t, s, r, *label):
        t, s, r = (time[:, None] for time in (t, s, r))
        if basis is not None:
            xbar, x_t = xbar @ basis.T, x_t @ basis.T
        noise = (1 - t) ** 2
        total = noise + t**2 * c
        pm, pv = (noise * mean + t * c * x_t) / total, noise * c / total
        S, R = (jnp.sqrt(time**2 * pv + (1 - time) ** 2) for time in (s, r))
        e = ratio(xbar - s * pm, S)
        g = (pm + ratio(s * pv, S) * e - mean) / np.sqrt(c)
        k = ratio((r + s) * pv - ((1 - r) + (1 - s)), R + S)
        one_hot = [jnp.take(slots, jnp.where(label[0] < 0, classes, label[0]), axis=0)] if classes else []
        times = [features(time, frequencies) for time in (t, s, r, combined_time(t, s), combined_time(t, r))]
        h = jnp.concatenate([e, g, *times, *one_hot], 1)
        h = nonlinearity(h @ layers[0][0] + layers[0][1])
        for weight, bias in layers[1:-1]:
            h = h + nonlinearity(h @ weight + bias)
        v = pm + k * e + jnp.sqrt(pv) * (h @ layers[-1][0] + layers[-1][1])
        return v if basis is None else v @ basis

    inputs = {"xbar": mean.shape, "x_t": mean.shape, "t": (), "s": (), "r": ()}
    return evaluate, inputs | ({"condition": "int32"} if classes else {})


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("network", type=pathlib.Path)
    parser.add_argument("onnx", type=pathlib.Path)
    options = parser.parse_args()
    evaluate, inputs = network(*read_safetensors(options.network))
    jax_to_onnx(evaluate, options.onnx, inputs)


if __name__ == "__main__":
    main()
