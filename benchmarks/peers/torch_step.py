#!/usr/bin/env python3
"""The Diamond step of benchmarks/cuda.benchmark.cu in PyTorch, compiled, with CUDA graphs: its result against diamond's, and its time.

python3 torch_step.py <folder of benchmark_write_step> [--output torch.json] [--device cpu]. On a device that is no GPU it checks the result and times nothing.
"""
import argparse
import math

import common
import torch
from torch import nn


class Network(nn.Module):
    """examples/digits/pytorch/write_network.py's DiamondNetwork without basis and labels, preconditioning in double as there."""

    def __init__(self, tensors):
        super().__init__()
        self.register_buffer("mean", torch.tensor(tensors["frame.mean"], dtype=torch.float64))
        self.register_buffer("variance", torch.tensor(tensors["frame.variance"], dtype=torch.float64))
        self.layers = nn.ModuleList()
        for layer in range(common.BLOCKS + 2):
            weight, bias = (torch.tensor(tensors[f"layers.{layer}.{name}"]) for name in ("weight", "bias"))
            linear = nn.Linear(weight.shape[1], weight.shape[0])
            linear.weight, linear.bias = nn.Parameter(weight), nn.Parameter(bias)
            self.layers.append(linear)

    def forward(self, xbar, x_t, t, s, r):
        """Times are numbers here: a step has one of each."""
        mean, c = self.mean, self.variance
        alpha, noise = t, (1 - t) ** 2
        total = noise + alpha**2 * c
        pm, pv = (noise * mean + alpha * c * x_t.double()) / total, noise * c / total
        S, R = (s**2 * pv + (1 - s) ** 2).sqrt(), (r**2 * pv + (1 - r) ** 2).sqrt()
        e = (xbar.double() - s * pm) / S
        g = (pm + s * pv / S * e - mean) / c.sqrt()
        k = ((r + s) * pv - (2 - r - s)) / (R + S)
        times = torch.cat([self.features(x) for x in (t, s, r, self.joint(t, s), self.joint(t, r))]).to(e)
        h = torch.cat([e, g, times.expand(len(e), -1)], 1).float()
        h = nn.functional.silu(self.layers[0](h))
        for layer in self.layers[1:-1]:
            h = h + nn.functional.silu(layer(h))
        return (pm + k * e + pv.sqrt() * self.layers[-1](h).double()).float()

    @staticmethod
    def joint(t, s):
        h, q = math.hypot(t * (1 - s), (1 - t) * s), (1 - t) * (1 - s)
        return h / (h + q) if h + q > 0 else 1.0

    @staticmethod
    def features(tau):
        waves = [wave(2**f * math.pi * tau) for f in range(common.FREQUENCIES) for wave in (math.sin, math.cos)]
        return torch.tensor([2 * tau - 1, *waves], dtype=torch.float64)


def step_of(network, numbers):
    t, inner_time, outer, inner = (numbers[name] for name in ("t", "inner_time", "outer", "inner"))

    def step(x, noise):
        return outer * x + inner * (noise + inner_time * network(noise, x, t, 0.0, inner_time))

    return step


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("folder")
    parser.add_argument("--output")
    parser.add_argument("--device", default="cuda")
    options = parser.parse_args()
    torch.backends.cuda.matmul.allow_tf32 = False
    device, rows = torch.device(options.device), []
    for width in common.WIDTHS:
        tensors, files, numbers = common.files(options.folder, width)
        network = Network(tensors).to(device)
        step = step_of(network, numbers)
        x, noise = (torch.tensor(files[name], device=device) for name in ("x", "noise"))
        difference = common.check("PyTorch", width, step(x, noise).cpu().numpy(), files["out"])
        if device.type != "cuda":
            print(f"PyTorch on {device}: width {width}: largest difference {difference:.1e}")
            continue
        fixed = torch.compile(step, dynamic=False)
        difference = max(difference, common.check("PyTorch, compiled", width, fixed(x, noise).cpu().numpy(), files["out"]))
        for particles in common.PARTICLES:
            torch._dynamo.reset() # each size is compiled for itself, and not as one of many
            compiled = torch.compile(lambda x: step(x, torch.randn_like(x)), mode="reduce-overhead", dynamic=False) # CUDA graphs; the noise is drawn in the step, as ours is
            x = torch.randn(particles, len(network.mean), device=device)
            ms = common.fastest_ms(lambda: compiled(x), torch.cuda.synchronize)
            rows.append({"width": width, "particles": particles, "ms": ms, "difference": difference})
    if rows:
        common.report(f"PyTorch {torch.__version__}", torch.cuda.get_device_name(), rows, options.output)


if __name__ == "__main__":
    main()
