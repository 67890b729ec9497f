#!/usr/bin/env python3
"""The Diamond step, SMC run and training step of benchmarks/cuda.benchmark.cu in PyTorch, compiled, in CUDA graphs: their results against diamond's, and
their times.

python3 torch_peer.py <folder of benchmark_write_cases> [--output torch.json] [--device cpu]. On a device that is no GPU it checks the results and times nothing.
"""
import argparse
import math

import common
import torch
from torch import nn

STEP_NUMBERS = ("t", "inner_time", "outer", "inner")


class Network(nn.Module):
    """examples/studies/digits/pytorch/write_network.py's DiamondNetwork without basis and labels, preconditioning in double as there."""

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

    def posterior(self, x_t, t):
        """Mean and variance of the Gaussian frame's posterior."""
        total = (1 - t) ** 2 + t**2 * self.variance
        return ((1 - t) ** 2 * self.mean + t * self.variance * x_t) / total, (1 - t) ** 2 * self.variance / total

    def forward(self, xbar, x_t, t, s, r, tangent=False):
        """v, and with `tangent` its derivative by r, too. Times are double columns, a number for each particle or one for all."""
        pm, pv = self.posterior(x_t.double(), t)
        S, R = (s**2 * pv + (1 - s) ** 2).sqrt(), (r**2 * pv + (1 - r) ** 2).sqrt()
        e = (xbar.double() - s * pm) / S
        g = (pm + s * pv / S * e - self.mean) / self.variance.sqrt()
        top = (r + s) * pv - (2 - r - s)
        times = torch.cat([self.features(tau) for tau in (t, s, r, self.joint(t, s), self.joint(t, r))], 1)
        h = torch.cat([e, g, times.expand(len(e), -1)], 1).float()
        silu = nn.functional.silu
        if not tangent:
            h = silu(self.layers[0](h))
            for layer in self.layers[1:-1]:
                h = h + silu(layer(h))
            return (pm + top / (R + S) * e + pv.sqrt() * self.layers[-1](h).double()).float()

        slopes = torch.cat([torch.zeros_like(torch.cat([e, g], 1)), self.feature_slopes(t, r).expand(len(e), -1)], 1).float()

        def bend(layer, h, h_dot):
            a, a_dot = layer(h), nn.functional.linear(h_dot, layer.weight)
            sigmoid = torch.sigmoid(a)
            return a * sigmoid, sigmoid * (1 + a * (1 - sigmoid)) * a_dot

        h, h_dot = bend(self.layers[0], h, slopes)
        for layer in self.layers[1:-1]:
            more, more_dot = bend(layer, h, h_dot)
            h, h_dot = h + more, h_dot + more_dot
        last = self.layers[-1]
        R_dot = (r * pv - (1 - r)) / R
        k_dot = (pv + 1 - top / (R + S) * R_dot) / (R + S)
        v = (pm + top / (R + S) * e + pv.sqrt() * last(h).double()).float()
        return v, (k_dot * e + pv.sqrt() * nn.functional.linear(h_dot, last.weight).double()).float()

    @staticmethod
    def joint(t, s):
        h, q = torch.hypot(t * (1 - s), (1 - t) * s), (1 - t) * (1 - s)
        return torch.where(h + q > 0, h / torch.where(h + q > 0, h + q, 1.0), 1.0)

    @staticmethod
    def features(tau):
        return torch.cat([2 * tau - 1, *(wave(2**f * math.pi * tau) for f in range(common.FREQUENCIES) for wave in (torch.sin, torch.cos))], 1)

    def feature_slopes(self, t, r):
        """d/dr of all times' features: only r and joint(t, r) move."""

        def slopes(tau):
            waves = (sign * 2**f * math.pi * wave(2**f * math.pi * tau) for f in range(common.FREQUENCIES) for sign, wave in ((1, torch.cos), (-1, torch.sin)))
            return torch.cat([torch.full_like(tau, 2.0), *waves], 1)

        h, q = torch.hypot(t * (1 - r), (1 - t) * r), (1 - t) * (1 - r)
        h_dot = ((1 - t) ** 2 * r - t**2 * (1 - r)) / h
        joint_dot = (h_dot * q + h * (1 - t)) / (h + q) ** 2
        own = slopes(r)
        none = torch.zeros_like(own)
        return torch.cat([none, none, own, none, joint_dot * slopes(self.joint(t, r))], 1)


def constant(x, number):
    return torch.full((1, 1), number, dtype=torch.float64, device=x.device)


def step(network, x, noise, numbers):
    """`numbers` are STEP_NUMBERS, a tensor, so that one compiled step serves all times."""
    t, inner_time, outer, inner = (number.reshape(1, 1) for number in numbers)
    v = network(noise, x, t, torch.zeros_like(t), inner_time)
    return (outer * x + inner * (noise + inner_time * v)).float()


def value(network, x, noise, t, tilt):
    """log mean exp r over SAMPLES posterior draws of each particle."""
    draws = noise + network(noise, x.repeat_interleave(common.SAMPLES, 0), t.reshape(1, 1), constant(x, 0.0), constant(x, 1.0))
    rewards = (tilt * draws.double()).sum(1).reshape(len(x), common.SAMPLES)
    return rewards.logsumexp(1) - math.log(common.SAMPLES)


def weigh(x, log_w, before, now, offset):
    """The weights' mean, and what resampling leaves where it is due: weights and decision never reach the host."""
    n = len(x)
    log_w = log_w + now - before
    log_mean = log_w.logsumexp(0) - math.log(n)
    weight = log_w.softmax(0)
    due = 1 / (weight**2).sum() < common.THRESHOLD * n
    cumulative = weight.cumsum(0)
    own = torch.arange(n, device=x.device)
    ancestors = torch.where(due, torch.searchsorted(cumulative / cumulative[-1], (own + offset) / n, right=True), own)
    return x[ancestors], torch.where(due, torch.zeros_like(log_w), log_w), now[ancestors], torch.where(due, log_mean, torch.zeros_like(log_mean)), due


def smc(parts, network, schedule, tilt, x, noise, offset):
    """parts: step, value and weigh, compiled or not; schedule: STEP_NUMBERS of each step; noise(kind, k, rows) and offset(k), k from 1."""
    step, value, weigh = parts
    n = len(x)
    before = torch.zeros(n, dtype=torch.float64, device=x.device)
    log_w, log_z, resampled = before, before.sum(), torch.zeros((), dtype=torch.int64, device=x.device)
    for k in range(1, common.STEPS + 1):
        x = step(network, x, noise("transition", k, n), schedule[k - 1])
        if k == common.STEPS:
            log_w = log_w + (tilt * x.double()).sum(1) - before
            return x, log_w, log_z + log_w.logsumexp(0) - math.log(n), resampled
        now = value(network, x, noise("value", k, n * common.SAMPLES), schedule[k, 0], tilt)
        x, log_w, before, more, due = weigh(x, log_w, before, now, offset(k))
        log_z, resampled = log_z + more, resampled + due


def loss(network, average, floor, x_t, xbar, t, s, r):
    """The Lagrangian loss: weighted as it is minimised, and as it is reported."""
    v, v_dot = network(xbar, x_t, t, s, r, tangent=True)
    with torch.no_grad():
        target = average((xbar + (r - s) * v).float(), x_t, t, r, r)
    error = v.double() - target + (r - s) * v_dot
    losses = (error**2 / (network.posterior(x_t.double(), t)[1] + floor)).mean(1)
    return ((losses.detach() + common.ADAPTIVE) ** -0.5 * losses).mean(), losses.mean().detach()


@torch.no_grad()
def update(parameters, gradients, means, variances, averages, rate):
    """AdamW's step, its gradient clipped, and the moving average."""
    norm = sum((g.double() ** 2).sum() for g in gradients).sqrt()
    scale = torch.clamp(1 / norm, max=1.0).float()
    for parameter, gradient, mean, variance, average in zip(parameters, gradients, means, variances, averages):
        gradient = scale * gradient
        mean.mul_(common.BETAS[0]).add_(gradient, alpha=1 - common.BETAS[0])
        variance.mul_(common.BETAS[1]).addcmul_(gradient, gradient, value=1 - common.BETAS[1])
        parameter.sub_(rate * mean / (variance.sqrt() + common.EPSILON))
        average.lerp_(parameter, 1 - common.AVERAGE)


def training_states(points, columns):
    normal = lambda: torch.randn(columns, points.shape[1], device=points.device)
    uniform = lambda rows: torch.rand(columns, rows, dtype=torch.float64, device=points.device)
    z = points[torch.randint(len(points), (columns,), device=points.device)] + 0.2 * normal()
    t, pair = uniform(1), uniform(2)
    s, r = pair.min(1, keepdim=True).values, pair.max(1, keepdim=True).values
    return (t * z + (1 - t) * normal()).float(), (s * z + (1 - s) * normal()).float(), t, s, r


def check_all(checks, folder, network, compiled, device):
    tensor = lambda tensors, name: torch.tensor(tensors[name], device=device)
    host = lambda found: tuple(part.detach().cpu().numpy() for part in found)
    with torch.no_grad():
        tensors, numbers = common.case(folder, "step", checks.width)
        of_step = torch.tensor([numbers[name] for name in STEP_NUMBERS], dtype=torch.float64, device=device)
        checks("step", *host([compiled(step)(network, tensor(tensors, "x"), tensor(tensors, "noise"), of_step)]), tensors["out"])

        tensors, numbers = common.case(folder, "smc", checks.width)
        schedule = torch.stack([tensor(tensors, name).flatten() for name in STEP_NUMBERS], 1)
        tilt = numbers["tilt"]
        parts = [compiled(part) for part in (step, value, weigh)]
        found = smc(parts, network, schedule, tilt, tensor(tensors, "x"), lambda kind, k, rows: tensor(tensors, f"{kind}_{k}"), lambda k: tensor(tensors, "offset").flatten()[k - 1])
        checks.smc(host(found), tensors, numbers)

    tensors, numbers = common.case(folder, "training", checks.width)
    times = (tensor(tensors, name).reshape(-1, 1) for name in ("t", "s", "r"))
    minimised, reported = compiled(loss)(network, network, numbers["floor"], tensor(tensors, "x_t"), tensor(tensors, "xbar"), *times)
    gradients = host(torch.autograd.grad(minimised, list(network.layers.parameters())))
    checks.training(float(reported), list(zip(gradients[::2], gradients[1::2])), tensors, numbers)
    return of_step, schedule, tilt


def captured(run):
    """A CUDA graph of run(): replayed, it draws new numbers."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            run()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    return graph.replay


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("folder")
    parser.add_argument("--output")
    parser.add_argument("--device", default="cuda")
    options = parser.parse_args()
    torch.backends.cuda.matmul.allow_tf32 = False
    device, rows = torch.device(options.device), []
    compiled = lambda function: torch.compile(function, dynamic=False)
    for width in common.WIDTHS:
        tensors = common.network(options.folder, width)
        network = Network(tensors).to(device)
        checks = common.Checks("PyTorch", width)
        of_step, schedule, tilt = check_all(checks, options.folder, network, lambda function: function, device)
        if device.type == "cuda":
            check_all(checks, options.folder, network, compiled, device)
        checks.tell(device)
        if device.type != "cuda":
            continue
        average = Network(tensors).to(device)
        parameters, averages = list(network.layers.parameters()), list(average.layers.parameters())
        means, variances = ([torch.zeros_like(p) for p in parameters] for _ in range(2))
        points = torch.randn(1000, len(network.mean), device=device)

        def prepare(kind, particles):  # noise is drawn in what is timed, as ours is
            torch.compiler.reset()  # each size is compiled for itself, and not as one of many
            x = torch.randn(particles, len(network.mean), device=device)
            if kind == "step":
                of = compiled(step)
                run = torch.no_grad()(lambda: of(network, x, torch.randn_like(x), of_step))
            elif kind == "smc":
                parts = [compiled(part) for part in (step, value, weigh)]
                noise = lambda kind, k, rows: torch.randn(rows, x.shape[1], device=device)
                offset = lambda k: torch.rand((), dtype=torch.float64, device=device)
                run = torch.no_grad()(lambda: smc(parts, network, schedule, tilt, torch.randn_like(x), noise, offset))
            else:
                of, update_all = compiled(loss), compiled(update)

                def run():
                    minimised, _ = of(network, average, 1e-3, *training_states(points, particles))
                    update_all(parameters, torch.autograd.grad(minimised, parameters), means, variances, averages, 1e-3)

            return captured(run)

        common.time_all(rows, checks, prepare, torch.cuda.synchronize)
    if rows:
        common.report(f"PyTorch {torch.__version__}", torch.cuda.get_device_name(), rows, options.output)


if __name__ == "__main__":
    main()
