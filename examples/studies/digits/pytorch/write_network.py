#!/usr/bin/env python3
"""A Diamond network in PyTorch, written so that diamond::io::load_network reads it. Needs torch and the standard library only.

Train a DiamondNetwork as you like, then save(network, "network.safetensors"). Run as a script, this writes a small network of random
weights and some of its values, with which the library's tests compare their own.
"""
import argparse
import json
import math
import os
import pathlib
import struct
import tempfile

import torch
from torch import nn

TIME_FREQUENCIES = 4
NONLINEARITIES = {"silu": nn.functional.silu, "gelu": nn.functional.gelu, "tanh": torch.tanh, "relu": nn.functional.relu,
                  "leaky_relu": nn.functional.leaky_relu}
UNCONDITIONAL = -1  # the label that is none


def ratio(a, b):
    """a / b, and 0 where b is 0."""
    return torch.where(b > 0, a / torch.where(b > 0, b, torch.ones_like(b)), torch.zeros_like(a))


class DiamondNetwork(nn.Module):
    """v(xbar, x_t, t, s, r, label): the mean velocity from inner time s to r of the posterior given x_t at time t of the linear schedule
    (t = 0 is noise, t = 1 data). F = 0 is exact for data from N(mean, basis^T diag(variance) basis).

    mean is that of the data, variance that along the rows of basis, which are orthonormal directions; without a basis, the coordinates.
    States are (N, d), times (N,), labels (N,) of 0 ... classes - 1 or UNCONDITIONAL, not looked at where classes is 0.
    """

    def __init__(self, mean, variance, basis=None, width=256, blocks=4, nonlinearity="silu", classes=0):
        super().__init__()
        self.nonlinearity, self.classes = nonlinearity, classes
        for name, value in (("mean", mean), ("variance", variance), ("basis", basis)):
            self.register_buffer(name, None if value is None else torch.as_tensor(value, dtype=torch.float64))
        d = len(self.mean)
        inputs = 2 * d + 5 * (1 + 2 * TIME_FREQUENCIES) + (classes + 1 if classes else 0)
        sizes = [inputs] + [width] * (blocks + 1) + [d]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes, sizes[1:]))
        nn.init.zeros_(self.layers[-1].weight)  # training starts from the Gaussian's own map
        nn.init.zeros_(self.layers[-1].bias)

    def forward(self, xbar, x_t, t, s, r, label=None):
        dtype, weights = xbar.dtype, self.layers[0].weight.dtype
        xbar, x_t, t, s, r = (x.double() for x in (xbar, x_t, t, s, r))
        mean, c = self.mean.double(), self.variance.double()
        if self.basis is not None:
            xbar, x_t, mean = (x @ self.basis.double().T for x in (xbar, x_t, mean))

        # The Gaussian's posterior given x_t, and how far s and r have come in it.
        times = [t, s, r, self.combined_time(t, s), self.combined_time(t, r)]
        t, s, r = (x[:, None] for x in (t, s, r))
        alpha, noise = t, (1 - t) ** 2
        total = noise + alpha**2 * c
        pm, pv = (noise * mean + alpha * c * x_t) / total, noise * c / total
        S, R = ((x**2 * pv + (1 - x) ** 2).sqrt() for x in (s, r))
        e = ratio(xbar - s * pm, S)
        g = (pm + ratio(s * pv, S) * e - mean) / c.sqrt()
        k = ratio((r + s) * pv - (2 - r - s), R + S)

        h = torch.cat([e, g, *map(self.time_features, times), *self.one_hot(label, len(e), e.device)], 1).to(weights)
        f = NONLINEARITIES[self.nonlinearity]
        h = f(self.layers[0](h))
        for layer in self.layers[1:-1]:
            h = h + f(layer(h))
        v = pm + k * e + pv.sqrt() * self.layers[-1](h).double()
        return (v if self.basis is None else v @ self.basis.double()).to(dtype)

    @staticmethod
    def combined_time(t, s):
        """The time that is as informative as x_t and xbar_s together; 1 where either is the data."""
        h, q = torch.hypot(t * (1 - s), (1 - t) * s), (1 - t) * (1 - s)
        return torch.where(h + q > 0, ratio(h, h + q), torch.ones_like(h))

    @staticmethod
    def time_features(tau):
        """tau from -1 to 1, then sine and cosine of pi tau, 2 pi tau, 4 pi tau, 8 pi tau."""
        waves = (wave(2**f * math.pi * tau) for f in range(TIME_FREQUENCIES) for wave in (torch.sin, torch.cos))
        return torch.stack([2 * tau - 1, *waves], 1)

    def one_hot(self, label, n, device):
        """A slot a class, the last for UNCONDITIONAL; nothing where there are no classes."""
        if not self.classes:
            return []
        label = torch.full((n,), UNCONDITIONAL, device=device) if label is None else label.long()
        return [nn.functional.one_hot(torch.where(label == UNCONDITIONAL, self.classes, label), self.classes + 1).double()]


def save(network, path):
    """Writes the network for diamond::io::load_network."""
    metadata = {
        "format": "diamond_network",
        "version": "1.0",
        "schedule": "linear",
        "inner_schedule": "linear",
        "parametrisation": "mean_velocity",
        "time_direction": "noise_to_data",
        "preconditioning": "gaussian_frame",
        "architecture": "residual_mlp",
        "width": str(network.layers[0].out_features),
        "blocks": str(len(network.layers) - 2),
        "nonlinearity": network.nonlinearity,
        "time_frequencies": str(TIME_FREQUENCIES),
        "classes": str(network.classes),
        "written_by": f"PyTorch {torch.__version__}",
    }
    frame = {f"frame.{name}": value for name, value in network.named_buffers(recurse=False)}
    layers = {f"layers.{name}": value for name, value in network.layers.named_parameters()}
    write_safetensors(path, {**frame, **layers}, metadata)


def write_safetensors(path, tensors, metadata):
    """Length, JSON header, bytes in C order; a kill at any moment leaves the old file or the new one."""
    kinds = {torch.float32: ("F32", "f"), torch.float64: ("F64", "d"), torch.int32: ("I32", "i")}
    header, data = {"__metadata__": metadata}, bytearray()
    for name, tensor in tensors.items():
        dtype, code = kinds[tensor.dtype]
        values = tensor.detach().flatten().tolist()
        begin = len(data)
        data += struct.pack(f"<{len(values)}{code}", *values)
        header[name] = {"dtype": dtype, "shape": list(tensor.shape), "data_offsets": [begin, len(data)]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path = pathlib.Path(path)
    handle, temporary = tempfile.mkstemp(prefix=path.name + ".", dir=path.parent)
    try:
        with open(handle, "wb") as file:
            file.write(struct.pack("<Q", len(text)) + text + data)
            file.flush()
            os.fsync(handle)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def random_network():
    d, width = 3, 16
    basis = torch.linalg.qr(torch.randn(d, d, dtype=torch.float64))[0]
    network = DiamondNetwork([0.3, -0.5, 0.1], [2.0, 0.4, 0.05], basis, width, blocks=2, nonlinearity="gelu", classes=4)
    nn.init.normal_(network.layers[-1].weight, std=width**-0.5)
    nn.init.normal_(network.layers[-1].bias, std=0.1)
    return network


@torch.no_grad()
def values_of(network, columns):
    """Inputs as training would draw them, the ends of all times among them, and v in double arithmetic."""
    t, s, r = torch.rand(3, columns, dtype=torch.float64)
    s, r = torch.minimum(s, r), torch.maximum(s, r)
    ends = [(0, 0, 1), (0, 0.5, 0.5), (0, 1, 1), (0.999, 0, 1), (0.999, 0.9, 0.95), (0.999, 1, 1), (1, 0, 0.5), (1, 0.3, 1), (1, 1, 1), (0.5, 0, 0)]
    for j, times in enumerate(ends[:columns]):
        t[j], s[j], r[j] = times
    label = torch.arange(columns, dtype=torch.int32) % (network.classes + 1) - 1
    d = len(network.mean)
    data = network.mean + (torch.randn(columns, d) * network.variance.sqrt()) @ network.basis
    x_t, xbar = ((x[:, None] * data + (1 - x[:, None]) * torch.randn(columns, d)).float() for x in (t, s))
    v = network.double()(xbar.double(), x_t.double(), t, s, r, label)
    return {"xbar": xbar, "x_t": x_t, "t": t, "s": s, "r": r, "label": label, "v": v}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0], epilog="Writes pytorch_network.safetensors and pytorch_values.safetensors.")
    parser.add_argument("--folder", type=pathlib.Path, default=pathlib.Path("."), help="where to (default: here)")
    parser.add_argument("--columns", type=int, default=25, help="how many inputs have their values written (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of weights and inputs (default: %(default)s)")
    options = parser.parse_args()
    if options.columns < 1:
        parser.error("--columns: 1 or more are needed")
    if not options.folder.is_dir():
        parser.error(f"--folder: '{options.folder}' is no folder")
    torch.manual_seed(options.seed)
    network = random_network()
    save(network, options.folder / "pytorch_network.safetensors")
    write_safetensors(options.folder / "pytorch_values.safetensors", values_of(network, options.columns), {"of": "pytorch_network.safetensors"})


if __name__ == "__main__":
    main()
