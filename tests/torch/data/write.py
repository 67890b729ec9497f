#!/usr/bin/env python3
"""Writes the TorchScript files of this folder, and reference.json: what torch itself gives for some arguments. Needs torch 1.13."""
import json
import pathlib
import struct
import sys
from typing import List

import torch
from torch import nn

here = pathlib.Path(__file__).resolve().parent
root = here.parents[2]
sys.dont_write_bytecode = True
sys.path += [str(root / "examples/from_elsewhere"), str(root / "examples/studies/digits/pytorch")]
from export_torchscript import MeanVelocity, export  # noqa: E402
from write_network import DiamondNetwork  # noqa: E402


class Perceptron(nn.Module):
    """Two layers of SiLU above states and times, with a dropout that evaluation switches off."""

    def __init__(self, states, times, d, width):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(states * d + 2 * times, width), nn.SiLU(), nn.Dropout(0.5), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, d)
        )

    def body(self, states, times: List[torch.Tensor]):
        t = torch.stack(times, 1)
        return self.layers(torch.cat([states, t, torch.cos(3.0 * t)], 1))


class Velocity(Perceptron):
    def __init__(self):
        super().__init__(1, 1, 2, 16)

    def forward(self, x, t):
        return self.body(x, [t])


class Labelled(Perceptron):
    """Labels 0, 1, 2 and -1 for none."""

    def __init__(self):
        super().__init__(1, 1, 2, 12)
        self.labels = nn.Embedding(4, 2)

    def forward(self, x, t, labels):
        return self.body(x + self.labels(labels + 1), [t])


class Vectored(Perceptron):
    """Vectors of 3 numbers."""

    def __init__(self):
        super().__init__(1, 1, 2, 12)
        self.vectors = nn.Linear(3, 2)

    def forward(self, x, t, vectors):
        return self.body(x + self.vectors(vectors), [t])


def read_safetensors(path):
    data = path.read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + length])
    kinds = {"F32": torch.float32, "F64": torch.float64}
    result = {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = (8 + length + offset for offset in entry["data_offsets"])
            result[name] = torch.frombuffer(bytearray(data[begin:end]), dtype=kinds[entry["dtype"]]).reshape(entry["shape"])
    return result, header["__metadata__"]


def diamond_network():
    """The network of tests/io/data/pytorch_network.safetensors, which diamond::io::load_network reads as a diamond_mlp."""
    tensors, metadata = read_safetensors(root / "tests/io/data/pytorch_network.safetensors")
    frame = [tensors.pop(f"frame.{name}") for name in ("mean", "variance", "basis")]
    network = DiamondNetwork(*frame, int(metadata["width"]), int(metadata["blocks"]), metadata["nonlinearity"], int(metadata["classes"]))
    network.load_state_dict({name: value for name, value in tensors.items() if name.startswith("layers.")}, strict=False)
    return network


def main():
    torch.manual_seed(1)
    n = 7
    x, xbar, t, s, r = torch.randn(n, 2), torch.randn(n, 2), *torch.rand(3, n)
    labels, vectors = torch.arange(n) % 4 - 1, torch.randn(n, 3)
    wide, wide_bar, label = torch.randn(n, 3), torch.randn(n, 3), torch.arange(n) % 5 - 1
    cases = {
        "velocity": (Velocity(), {"x": x, "t": t}),
        "labelled": (Labelled(), {"x": x, "t": t, "labels": labels}),
        "vectored": (Vectored(), {"x": x, "t": t, "vectors": vectors}),
        "diamond": (diamond_network(), {"xbar": wide_bar, "x_t": wide, "t": t, "s": s, "r": r, "label": label}),
    }
    reference = {"torch": torch.__version__}
    for name, (module, arguments) in cases.items():
        export(module, here / f"{name}.pt", tuple(arguments.values()))
        states = [argument for key, argument in arguments.items() if key in ("x", "xbar", "x_t")]
        for state in states:
            state.requires_grad_(True)
        value = module(*arguments.values())
        cotangent = torch.randn_like(value)
        pulled = torch.autograd.grad(value, states, cotangent)
        reference[name] = {key: each.tolist() for key, each in (arguments | {"value": value, "cotangent": cotangent}).items()}
        reference[name]["vjp"] = [each.tolist() for each in pulled]
        for state in states:
            state.requires_grad_(False)
    (here / "reference.json").write_text(json.dumps(reference) + "\n")

    small = MeanVelocity(2, 8).double()
    nn.init.normal_(small.layers[-1].weight)
    export(small, here / "mean_velocity_double.pt", tuple(each.double() for each in (xbar, x, t, s, r)))


if __name__ == "__main__":
    main()
