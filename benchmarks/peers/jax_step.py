#!/usr/bin/env python3
"""The Diamond step of benchmarks/cuda.benchmark.cu in JAX, by jit: its result against diamond's, and its time.

python3 jax_step.py <folder of benchmark_write_step> [--output jax.json]. On a device that is no GPU it checks the result and times nothing.
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
    h, q = math.hypot(t * (1 - s), (1 - t) * s), (1 - t) * (1 - s)
    return h / (h + q) if h + q > 0 else 1.0


def features(tau):
    return [2 * tau - 1, *(wave(2**f * math.pi * tau) for f in range(common.FREQUENCIES) for wave in (math.sin, math.cos))]


def step_of(numbers):
    """step(parameters, x, noise): the network of torch_step.py."""
    t, s, r = numbers["t"], 0.0, numbers["inner_time"]
    times = np.array([f for tau in (t, s, r, joint(t, s), joint(t, r)) for f in features(tau)])

    def step(tensors, x, noise):
        mean, c = tensors["frame.mean"], tensors["frame.variance"]
        total = (1 - t) ** 2 + t**2 * c
        pm, pv = ((1 - t) ** 2 * mean + t * c * x.astype(jnp.float64)) / total, (1 - t) ** 2 * c / total
        S, R = jnp.sqrt(s**2 * pv + (1 - s) ** 2), jnp.sqrt(r**2 * pv + (1 - r) ** 2)
        e = (noise.astype(jnp.float64) - s * pm) / S
        g = (pm + s * pv / S * e - mean) / jnp.sqrt(c)
        k = ((r + s) * pv - (2 - r - s)) / (R + S)
        h = jnp.concatenate([e, g, jnp.broadcast_to(times, (len(e), len(times)))], 1).astype(jnp.float32)
        linear = lambda layer, h: h @ tensors[f"layers.{layer}.weight"].T + tensors[f"layers.{layer}.bias"]
        h = jax.nn.silu(linear(0, h))
        for layer in range(1, common.BLOCKS + 1):
            h = h + jax.nn.silu(linear(layer, h))
        v = pm + k * e + jnp.sqrt(pv) * linear(common.BLOCKS + 1, h).astype(jnp.float64)
        return (numbers["outer"] * x + numbers["inner"] * (noise + r * v)).astype(jnp.float32)

    return step


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("folder")
    parser.add_argument("--output")
    options = parser.parse_args()
    device, rows = jax.devices()[0], []
    for width in common.WIDTHS:
        tensors, files, numbers = common.files(options.folder, width)
        tensors = {name: jnp.array(value) for name, value in tensors.items()}
        step = step_of(numbers)
        difference = common.check("JAX", width, np.asarray(jax.jit(step)(tensors, jnp.array(files["x"]), jnp.array(files["noise"]))), files["out"])
        if device.platform != "gpu":
            print(f"JAX on {device}: width {width}: largest difference {difference:.1e}")
            continue
        whole = jax.jit(lambda key, x: step(tensors, x, jax.random.normal(key, x.shape, jnp.float32)))  # the noise is drawn in the step, as ours is
        key = jax.random.key(1)
        for particles in common.PARTICLES:
            x = jax.random.normal(jax.random.key(2), (particles, files["x"].shape[1]), jnp.float32)
            ms = common.fastest_ms(lambda: whole(key, x).block_until_ready(), lambda: None)
            rows.append({"width": width, "particles": particles, "ms": ms, "difference": difference})
    if rows:
        common.report(f"JAX {jax.__version__}", device.device_kind, rows, options.output)


if __name__ == "__main__":
    main()
