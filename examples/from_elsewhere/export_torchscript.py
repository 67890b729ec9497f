#!/usr/bin/env python3
"""A PyTorch module as a TorchScript file for diamond::torch_network. Needs torch, 1.13 or newer.

Call export(module, path, arguments) with a network of your own. Run as a script, this writes two_clusters.pt, which the program
torchscript.cpp reads: the velocity of data around m and -m, exactly; and mean_velocity.pt, an architecture that train_torchscript.cpp
trains.
"""
import argparse
import pathlib

import torch
from torch import nn


def export(module, path, arguments):
    """Writes a module in evaluation mode. It is compiled, and traced where it cannot be; the file is then held against the module.

    arguments are those of forward for three columns or more, in the order of the C++ type: x and t of a torch_network; xbar, x_t, t, s
    and r of a torch_diamond_network; behind them labels, vectors, or both. States are (N, d), times (N), labels (N) of torch.int64 and
    vectors (N, d_c).
    """
    module = module.eval()
    try:
        written = torch.jit.script(module)
    except Exception as refused:  # whatever the compiler does not take
        print(f"{path}: traced, since torch.jit.script says: {str(refused).strip().splitlines()[0]}")
        written = torch.jit.trace(module, arguments)
    written.save(str(path))
    written = torch.jit.load(str(path))
    others = [torch.rand_like(argument) if argument.is_floating_point() else argument.flip(0) for argument in arguments]
    with torch.no_grad():
        for given in (arguments, others):  # a trace may hold a branch fast that these arguments do not take,
            for columns in (len(arguments[0]), 2, 1):  # or the number of columns
                some = [argument[:columns] for argument in given]
                torch.testing.assert_close(written(*some), module(*some))


class TwoClusters(nn.Module):
    """u(x, t) = ((t v - s) x + s tanh(t m.x / V) m) / V with s = 1 - t and V = t^2 v + s^2: the velocity of N(+-m, v I) by the linear
    schedule."""

    def __init__(self, m, v):
        super().__init__()
        self.m = nn.Parameter(torch.tensor(m))
        self.v = v

    def forward(self, x, t):
        t = t[:, None]
        s = 1 - t
        variance = t**2 * self.v + s**2
        hidden = torch.tanh(t * (x @ self.m)[:, None] / variance)
        return ((t * self.v - s) * x + s * hidden * self.m) / variance


class MeanVelocity(nn.Module):
    """v(xbar, x_t, t, s, r) by three layers, the last of them 0, as trainings begin."""

    def __init__(self, d, width):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2 * d + 6, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, d))
        nn.init.zeros_(self.layers[-1].weight)
        nn.init.zeros_(self.layers[-1].bias)

    def forward(self, xbar, x_t, t, s, r):
        times = torch.stack([t, s, r], 1)
        return self.layers(torch.cat([xbar, x_t, times, torch.cos(3.0 * times)], 1))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--folder", type=pathlib.Path, default=pathlib.Path("."), help="where to (default: here)")
    folder = parser.parse_args().folder
    if not folder.is_dir():
        parser.error(f"--folder: '{folder}' is no folder")
    torch.manual_seed(1)
    state, time = torch.randn(3, 2), torch.rand(3)
    export(TwoClusters([1.5, -0.5], 0.2), folder / "two_clusters.pt", (state, time))
    export(MeanVelocity(2, 48), folder / "mean_velocity.pt", (state, state, time, time, time))


if __name__ == "__main__":
    main()
