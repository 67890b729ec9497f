"""What the peers share: files of benchmark_write_cases, the checks, the clock. Needs NumPy."""

import json
import pathlib
import time

import numpy as np

WIDTHS = (64, 128, 512)
PARTICLES = (10_000, 100_000, 1_000_000)
FREQUENCIES = 4
BLOCKS = 4
STEPS = 8  # of SMC
SAMPLES = 2
THRESHOLD = 0.5
ADAPTIVE = 1e-3  # c of the loss's weight (loss + c)^-1/2
BETAS = (0.9, 0.99)
EPSILON = 1e-8
AVERAGE = 0.999
TYPES = {"F32": np.float32, "F64": np.float64, "I32": np.int32}
# Both compute in float32 but for preconditioning, weights and losses; six layers of up to 512 terms round to some 1e-6 of the states' size. A run of
# SMC does so eight times; a gradient sums such errors over columns, and is measured in units of its largest entry.
TOLERANCE = {"step": 1e-4, "smc": 1e-3, "training": 1e-3}


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


def network(folder, width):
    return read_safetensors(pathlib.Path(folder) / f"network_{width}.safetensors")[0]


def case(folder, kind, width):
    """Tensors and numbers of a step, an SMC run or a training step."""
    tensors, metadata = read_safetensors(pathlib.Path(folder) / f"{kind}_{width}.safetensors")
    return tensors, {name: float(value) for name, value in metadata.items()}


def flat(layers):
    """(weight, bias) of each layer in the order of diamond's parameters: columns of weights, then biases."""
    return np.concatenate([part for weight, bias in layers for part in (np.asarray(weight).T.ravel(), np.asarray(bias))])


class Checks:
    """The largest difference from diamond's results, by kind; exits where one is too large."""

    def __init__(self, name, width):
        self.name, self.width, self.largest = name, width, dict.fromkeys(TOLERANCE, 0.0)

    def __call__(self, kind, found, expected, unit=1.0):
        found, expected = np.asarray(found), np.asarray(expected)
        error = float(np.max(np.abs(found - expected) / (unit + np.abs(expected))))
        if not error <= TOLERANCE[kind]:
            raise SystemExit(f"{self.name}, width {self.width}: {kind}: results differ by {error:.1e}, more than {TOLERANCE[kind]:.0e}")
        self.largest[kind] = max(self.largest[kind], error)

    def smc(self, found, expected, numbers):
        """found: particles, log weights, log Z and how often it resampled."""
        particles, log_weights, log_z, resampled = found
        if int(resampled) != int(numbers["resampled"]):
            raise SystemExit(f"{self.name}, width {self.width}: smc: resampled {int(resampled)} times, not {int(numbers['resampled'])}")
        self("smc", particles, expected["particles"])
        self("smc", log_weights, expected["log_weights"].ravel())
        self("smc", log_z, numbers["log_z"])

    def training(self, loss, layer_gradients, expected, numbers):
        gradient = flat(layer_gradients)
        norm = float(np.linalg.norm(gradient.astype(np.float64)))
        moment = (1 - BETAS[0]) * min(1.0, 1.0 / norm) * gradient
        self("training", loss, numbers["loss"])
        self("training", norm, numbers["norm"])
        self("training", moment, expected["moment"].ravel(), unit=float(np.max(np.abs(expected["moment"]))))

    def tell(self, device):
        print(f"{self.name} on {device}: width {self.width}: largest difference " + ", ".join(f"{kind} {error:.1e}" for kind, error in self.largest.items()))


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


def time_all(rows, checks, prepare, wait):
    """prepare(kind, particles) gives what is timed; None where the device has too little memory for it."""
    for kind in TOLERANCE:
        for particles in PARTICLES:
            row = {"kind": kind, "width": checks.width, "particles": particles, "ms": None, "difference": checks.largest[kind]}
            try:
                row["ms"] = fastest_ms(prepare(kind, particles), wait, runs=20 if kind == "step" else 5)
            except (RuntimeError, MemoryError) as error:
                if "memory" not in str(error).lower():
                    raise
            rows.append(row)


def report(name, device, rows, output):
    for row in rows:
        taken = "out of memory" if row["ms"] is None else f"{row['ms']:.3f} ms"
        print(f"{name} {device}: {row['kind']}, width {row['width']}, {row['particles']} particles: {taken} (largest difference {row['difference']:.1e})")
    if output:
        pathlib.Path(output).write_text(json.dumps({"peer": name, "device": device, "rows": rows}, indent=1) + "\n")
