#!/usr/bin/env python3
"""The Diamond step, SMC run and training step of benchmarks/cuda.benchmark.cu in JAX, by jit: their results against diamond's, and their times.

python3 jax_peer.py <folder of benchmark_write_cases> [--output jax.json]. On a device that is no GPU it checks the results and times nothing:
run_cpu.py does that.
"""
import argparse
import math

import common
import jax
import jax.numpy as jnp
import numpy as np

jax.config.update("jax_enable_x64", True)  # the preconditioning is in double, as ours is
jax.config.update("jax_default_matmul_precision", "highest")  # no TF32


def joint(t, s):
    h, q = jnp.hypot(t * (1 - s), (1 - t) * s), (1 - t) * (1 - s)
    return jnp.where(h + q > 0, h / jnp.where(h + q > 0, h + q, 1), 1.0)


def features(tau):
    return [2 * tau - 1, *(wave(2**f * math.pi * tau) for f in range(common.FREQUENCIES) for wave in (jnp.sin, jnp.cos))]


def posterior(frame, x, t):
    """Mean and variance of the Gaussian frame's posterior."""
    total = (1 - t) ** 2 + t**2 * frame["variance"]
    return ((1 - t) ** 2 * frame["mean"] + t * frame["variance"] * x) / total, (1 - t) ** 2 * frame["variance"] / total


def dense_layers(layers, rows):
    """The layers of examples/studies/digits/pytorch/write_network.py's DiamondNetwork."""
    linear = lambda layer, h: h @ layer[0].T + layer[1]
    h = jax.nn.silu(linear(layers[0], rows))
    for layer in layers[1:-1]:
        h = h + jax.nn.silu(linear(layer, h))
    return linear(layers[-1], h)


def evaluate(layers, frame, xbar, x_t, t, s, r, forward=dense_layers):
    """v of a preconditioned network without basis and labels, whose layers are `forward`; times are a column, of one or of all."""
    pm, pv = posterior(frame, x_t.astype(jnp.float64), t)
    S, R = jnp.sqrt(s**2 * pv + (1 - s) ** 2), jnp.sqrt(r**2 * pv + (1 - r) ** 2)
    e = (xbar.astype(jnp.float64) - s * pm) / S
    g = (pm + s * pv / S * e - frame["mean"]) / jnp.sqrt(frame["variance"])
    k = ((r + s) * pv - (2 - r - s)) / (R + S)
    times = jnp.concatenate([f for tau in (t, s, r, joint(t, s), joint(t, r)) for f in features(tau)], 1)
    rows = jnp.concatenate([e, g, jnp.broadcast_to(times, (len(e), times.shape[1]))], 1).astype(jnp.float32)
    return (pm + k * e + jnp.sqrt(pv) * forward(layers, rows).astype(jnp.float64)).astype(jnp.float32)


def at(time):
    return jnp.full((1, 1), time)


def step(layers, frame, x, noise, t, inner_time, outer, inner, forward=dense_layers):
    v = evaluate(layers, frame, noise, x, at(t), at(0.0), at(inner_time), forward)
    return (outer * x + inner * (noise + inner_time * v)).astype(jnp.float32)


def smc(layers, frame, numbers, tilt, x, noise, offset):
    """noise(kind, k, rows) of transitions and values, offset(k) of systematic resampling, k from 1."""
    n = len(x)
    value, log_w, log_z, resampled = jnp.zeros(n), jnp.zeros(n), 0.0, 0
    for k in range(1, common.STEPS + 1):
        x = step(layers, frame, x, noise("transition", k, n), *(numbers[name][k - 1] for name in ("t", "inner_time", "outer", "inner")))
        if k < common.STEPS:
            eps = noise("value", k, n * common.SAMPLES)
            draws = eps + evaluate(layers, frame, eps, jnp.repeat(x, common.SAMPLES, 0), at(k / common.STEPS), at(0.0), at(1.0))
            rewards = (tilt * draws.astype(jnp.float64)).sum(1).reshape(n, common.SAMPLES)
            now = jax.nn.logsumexp(rewards, 1) - math.log(common.SAMPLES)
        else:
            now = (tilt * x.astype(jnp.float64)).sum(1)
        log_w, value = log_w + now - value, now
        log_mean = jax.nn.logsumexp(log_w) - math.log(n)
        if k == common.STEPS:
            return x, log_w, log_z + log_mean, resampled
        weight = jax.nn.softmax(log_w)
        due = 1 / (weight**2).sum() < common.THRESHOLD * n
        cumulative = jnp.cumsum(weight)
        ancestors = jnp.searchsorted(cumulative / cumulative[-1], (jnp.arange(n) + offset(k)) / n, side="right")
        ancestors = jnp.where(due, ancestors, jnp.arange(n))
        x, value, log_w = x[ancestors], value[ancestors], jnp.where(due, 0.0, log_w)
        log_z, resampled = log_z + jnp.where(due, log_mean, 0.0), resampled + due


def loss(layers, average, frame, floor, x_t, xbar, t, s, r, forward=dense_layers):
    """The Lagrangian loss: weighted as it is minimised, and as it is reported."""
    v, v_dot = jax.jvp(lambda r: evaluate(layers, frame, xbar, x_t, t, s, r, forward), (r,), (jnp.ones_like(r),))
    there = jax.lax.stop_gradient((xbar + (r - s) * v).astype(jnp.float32))
    target = jax.lax.stop_gradient(evaluate(average, frame, there, x_t, t, r, r, forward))
    error = v.astype(jnp.float64) - target + (r - s) * v_dot
    losses = (error**2 / (posterior(frame, x_t, t)[1] + floor)).mean(1)
    return (jax.lax.stop_gradient((losses + common.ADAPTIVE) ** -0.5) * losses).mean(), losses.mean()


gradient = jax.value_and_grad(loss, has_aux=True)


def training_step(columns, state, frame, floor, rate, points, key, forward=dense_layers):
    """State: layers, their average, AdamW's moments. The training states are drawn in the step, as ours are."""
    layers, average, mean, variance = state
    keys = jax.random.split(key, 6)
    normal = lambda k: jax.random.normal(keys[k], (columns, points.shape[1]), jnp.float32)
    z = points[jax.random.randint(keys[0], (columns,), 0, len(points))] + 0.2 * normal(1)
    t, pair = jax.random.uniform(keys[4], (columns, 1), jnp.float64), jnp.sort(jax.random.uniform(keys[5], (columns, 2), jnp.float64), 1)
    s, r = pair[:, :1], pair[:, 1:]
    x_t, xbar = (t * z + (1 - t) * normal(2)).astype(jnp.float32), (s * z + (1 - s) * normal(3)).astype(jnp.float32)
    _, g = gradient(layers, average, frame, floor, x_t, xbar, t, s, r, forward)
    norm = jnp.sqrt(sum((part.astype(jnp.float64) ** 2).sum() for part in jax.tree.leaves(g)))
    g = jax.tree.map(lambda part: (jnp.minimum(1.0, 1.0 / norm) * part).astype(jnp.float32), g)
    mean = jax.tree.map(lambda m, part: common.BETAS[0] * m + (1 - common.BETAS[0]) * part, mean, g)
    variance = jax.tree.map(lambda v, part: common.BETAS[1] * v + (1 - common.BETAS[1]) * part**2, variance, g)
    layers = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v) + common.EPSILON), layers, mean, variance)
    average = jax.tree.map(lambda a, p: common.AVERAGE * a + (1 - common.AVERAGE) * p, average, layers)
    return layers, average, mean, variance


def check_all(folder, width, layers, frame):
    checks = common.Checks("JAX", width)
    tensors, numbers = common.case(folder, "step", width)
    found = jax.jit(step)(layers, frame, jnp.array(tensors["x"]), jnp.array(tensors["noise"]), *(numbers[name] for name in ("t", "inner_time", "outer", "inner")))
    checks("step", found, tensors["out"])

    tensors, numbers = common.case(folder, "smc", width)
    run = lambda x: smc(layers, frame, tensors, numbers["tilt"], x, lambda kind, k, rows: jnp.array(tensors[f"{kind}_{k}"]), lambda k: tensors["offset"][k - 1])
    checks.smc(jax.jit(run)(jnp.array(tensors["x"])), tensors, numbers)

    tensors, numbers = common.case(folder, "training", width)
    times = (jnp.array(tensors[name]).reshape(-1, 1) for name in ("t", "s", "r"))
    (_, reported), found = jax.jit(gradient)(layers, layers, frame, numbers["floor"], jnp.array(tensors["x_t"]), jnp.array(tensors["xbar"]), *times)
    checks.training(reported, found, tensors, numbers)
    return checks


class Peer:
    """A network of one width: its checks against the cases, and the jobs that are timed."""

    def __init__(self, folder, width):
        network = common.network(folder, width)
        self.layers = [tuple(jnp.array(network[f"layers.{layer}.{part}"]) for part in ("weight", "bias")) for layer in range(common.BLOCKS + 2)]
        self.frame = {name: jnp.array(network[f"frame.{name}"], jnp.float64) for name in ("mean", "variance")}
        self.dimension = len(network["frame.mean"])
        self.of_step = common.case(folder, "step", width)[1]
        self.of_smc, self.smc_numbers = common.case(folder, "smc", width)
        self.checks = check_all(folder, width, self.layers, self.frame)

    def prepare(self, kind, particles):
        """A job as common.time_all wants it; noise is drawn in what is timed, as ours is."""
        key = jax.random.key(1)
        x = jax.random.normal(jax.random.key(2), (particles, self.dimension), jnp.float32)
        normal = lambda key, rows: jax.random.normal(key, (rows, self.dimension), jnp.float32)
        if kind == "step":
            times = [self.of_step[name] for name in ("t", "inner_time", "outer", "inner")]
            whole = jax.jit(lambda key, x: step(self.layers, self.frame, x, normal(key, particles), *times))
            return lambda: whole(key, x).block_until_ready()
        if kind == "smc":
            def run(key):
                fold = lambda name, k: jax.random.fold_in(key, 3 * k + ("transition", "value", "offset").index(name))
                return smc(self.layers, self.frame, self.of_smc, self.smc_numbers["tilt"], normal(key, particles),
                           lambda name, k, rows: normal(fold(name, k), rows), lambda k: jax.random.uniform(fold("offset", k), dtype=jnp.float64))
            whole = jax.jit(run)
            return lambda: jax.block_until_ready(whole(key))
        zeros = jax.tree.map(jnp.zeros_like, self.layers)
        points = jax.random.normal(jax.random.key(3), (1000, self.dimension), jnp.float32)
        whole = jax.jit(lambda state, key: training_step(particles, state, self.frame, 1e-3, 1e-3, points, key))
        state = (self.layers, self.layers, zeros, zeros)
        return lambda: jax.block_until_ready(whole(state, key))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("folder")
    parser.add_argument("--output")
    options = parser.parse_args()
    device, rows = jax.devices()[0], []
    for width in common.WIDTHS:
        peer = Peer(options.folder, width)
        peer.checks.tell(device)
        if device.platform == "gpu":
            common.time_all(rows, peer.checks, peer.prepare, lambda: None)
    if rows:
        common.report(f"JAX {jax.__version__}", device.device_kind, rows, options.output)


if __name__ == "__main__":
    main()
