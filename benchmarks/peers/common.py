"""What the peers share: files of benchmark_write_step, the check, the clock. Needs NumPy."""

import json
import pathlib
import time

import numpy as np

WIDTHS = (64, 128, 512)
PARTICLES = (10_000, 100_000, 1_000_000)
FREQUENCIES = 4
BLOCKS = 4
TYPES = {"F32": np.float32, "F64": np.float64, "I32": np.int32}
# Both compute the step in float32 but for the preconditioning; six layers of up to 512 terms round to some 1e-6 of the states' size.
TOLERANCE = 1e-4


def read_safetensors(path):
    data = pathlib.Path(path).read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        tensors[name] = np.frombuffer(data[begin:end], TYPES[entry["dtype"]]).reshape(entry["shape"])
    return tensors, metadata


def files(folder, width):
    """The network's tensors; x, noise, the step's result; its numbers."""
    network, _ = read_safetensors(pathlib.Path(folder) / f"network_{width}.safetensors")
    step, metadata = read_safetensors(pathlib.Path(folder) / f"step_{width}.safetensors")
    return network, step, {name: float(metadata[name]) for name in ("t", "inner_time", "outer", "inner")}


def check(name, width, found, expected):
    error = float(np.max(np.abs(found - expected) / (1 + np.abs(expected))))
    if not error <= TOLERANCE:
        raise SystemExit(f"{name}, width {width}: results differ by {error:.1e}, more than {TOLERANCE:.0e}")
    return error


def fastest_ms(step, wait, runs=20):
    """Of `runs` steps after three others; `wait` returns when the device is done."""
    best = float("inf")
    for run in range(runs + 3):
        wait()
        begin = time.perf_counter()
        step()
        wait()
        if run >= 3:
            best = min(best, time.perf_counter() - begin)
    return 1e3 * best


def report(name, device, rows, output):
    for row in rows:
        print(f"{name} {device}: width {row['width']}, {row['particles']} particles: {row['ms']:.3f} ms (largest difference {row['difference']:.1e})")
    if output:
        pathlib.Path(output).write_text(json.dumps({"peer": name, "device": device, "rows": rows}, indent=1) + "\n")
