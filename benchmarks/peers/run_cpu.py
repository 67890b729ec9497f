#!/usr/bin/env python3
"""Holds diamond on the CPU against JAX (jit), OpenVINO, particles and blackjax: the same jobs, in turn in one run.

python3 benchmarks/peers/run_cpu.py [--rounds 3] [--quick] [--output FILE]

It makes a virtual environment with the peers in build/peers, which needs the package index once, configures and builds two programs of ours
(preset cpu), and takes some ten minutes on two cores that are otherwise free. A row says how many times as fast as the peer we are: the peer's fastest
run of all rounds over ours. Before that a peer's results are compared with ours on the same network and noise (step, SMC, training, forward), or by what
systematic resampling must do.
"""
import argparse
import concurrent.futures
import datetime
import importlib.metadata
import json
import multiprocessing
import os
import pathlib
import platform
import subprocess
import sys

PEERS = ("jax==0.10.2", "openvino==2026.4.1", "blackjax==1.7.1", "numba==0.68.1", "scipy", "scikit-learn", "joblib")
WITHOUT_DEPENDENCIES = ("particles==0.4",)  # it asks for NumPy 1 and works with 2, which JAX needs
ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build" / "peers"
COLUMNS = {"step": 10_000, "smc": 4096, "training": 4096, "forward": 4096, "resampling": 1_000_000, "unet_step": 256, "unet_training": 256}


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0], epilog=__doc__.split("\n", 2)[2], formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="how often each pair is run; the fastest counts")
    parser.add_argument("--quick", action="store_true", help="one width and one round: whether everything works")
    parser.add_argument("--only", help="the jobs whose names begin so, such as unet")
    parser.add_argument("--output", type=pathlib.Path, help="by default benchmarks/results/peers_cpu.json, and of --quick and --only no file")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    return options


def enter_environment():
    """Runs this script again by the environment's Python, which it makes where it is not there."""
    python = FOLDER / "venv" / "bin" / "python"
    if pathlib.Path(sys.prefix) == FOLDER / "venv":
        return
    if not python.exists():
        print(f"making {FOLDER / 'venv'} with {', '.join(PEERS)}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", FOLDER / "venv"], check=True)
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, *PEERS], check=True)
    subprocess.run([*install, "--no-deps", *WITHOUT_DEPENDENCIES], check=True)
    os.execv(python, [python, __file__, *sys.argv[1:]])


def build():
    programs = ["benchmark_write_cases_cpu", "benchmark_time_steps_cpu"]
    subprocess.run(["cmake", "--preset", "cpu"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["cmake", "--build", "--preset", "cpu", "--target", *programs], cwd=ROOT, check=True)
    cases = FOLDER / "cases"
    cases.mkdir(parents=True, exist_ok=True)
    write, time = (ROOT / "build" / "cpu" / "benchmarks" / program for program in programs)
    subprocess.run([write, cases], check=True)
    return cases, time


class Peers:
    """The jobs of all peers, made as they are asked for; each peer has a process of its own, for the threads of one slow another down."""

    def __init__(self, cases):
        self.cases, self.jobs, self.networks, self.inputs = cases, {}, {}, []

    def time(self, peer, kind, width, threads, runs):
        """Milliseconds of the fastest of `runs` runs."""
        import common

        key = (kind, width)
        if key not in self.jobs:
            self.jobs[key] = getattr(self, peer.lower())(kind, width, threads)
        return common.fastest_ms(self.jobs[key], lambda: None, runs)

    def jax(self, kind, width, threads):
        import jax_peer

        if kind.startswith("unet"):
            import jax_unet

            if "unet" not in self.networks:
                self.networks["unet"] = jax_unet.Peer(self.cases)
                self.networks["unet"].checks.tell("the CPU")
            return self.networks["unet"].prepare(kind, COLUMNS[kind])
        if width not in self.networks:
            self.networks[width] = jax_peer.Peer(self.cases, width)
            self.networks[width].checks.tell("the CPU")
        return self.networks[width].prepare(kind, COLUMNS[kind])

    def openvino(self, kind, width, threads):
        """The forward pass of peers/cases.hpp, its results checked."""
        import common
        import numpy as np
        import openvino as ov
        from openvino import opset13 as op

        tensors, _ = common.case(self.cases, kind, width)
        h = x = op.parameter([-1, width], np.float32)
        theta, at = tensors["theta"].ravel(), 0
        for _ in range(4):
            weight, bias = theta[at : at + width * width].reshape(width, width), theta[at + width * width : at + width * (width + 1)]
            at += width * (width + 1)
            h = op.swish(op.add(op.matmul(h, op.constant(weight.copy()), False, False), op.constant(bias.copy())))
        settings = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
        request = ov.Core().compile_model(ov.Model([h], [x]), "CPU", settings).create_infer_request()
        self.inputs.append(tensors["x"].copy())  # which the request points to, and may write to
        request.set_input_tensor(ov.Tensor(self.inputs[-1], shared_memory=True))
        request.infer()
        found, expected = request.get_output_tensor().data, tensors["out"]
        error = float(np.max(np.abs(found - expected) / (1 + np.abs(expected))))
        if not error <= common.TOLERANCE["step"]:
            raise SystemExit(f"OpenVINO, width {width}: results differ by {error:.1e}")
        return lambda: request.infer(share_outputs=True)  # without a copy of the outputs

    def log_weights(self):
        import numpy as np

        return np.random.default_rng(1).normal(size=COLUMNS["resampling"])

    def checked(self, resample):
        """Systematic resampling takes each particle as often as N times its weight says, rounded down or up."""
        import numpy as np

        log_weights = self.log_weights()
        weights = np.exp(log_weights - log_weights.max())
        expected = len(weights) * weights / weights.sum()
        apart = np.abs(np.bincount(np.asarray(resample()), minlength=len(weights)) - expected)
        if not apart.max() < 1 + 1e-6:
            raise SystemExit(f"resampling: a particle is taken {apart.max():.1f} times too often or too seldom")
        return resample

    def particles(self, kind, width, threads):
        from particles import resampling

        log_weights = self.log_weights()
        return self.checked(lambda: resampling.systematic(resampling.exp_and_normalise(log_weights), M=len(log_weights)))

    def blackjax(self, kind, width, threads):
        import jax

        jax.config.update("jax_enable_x64", True)  # weights in double, as ours
        from blackjax.smc import resampling

        log_weights = jax.numpy.array(self.log_weights())
        whole = jax.jit(lambda key, w: resampling.systematic(key, jax.nn.softmax(w), len(w)))
        return self.checked(lambda: whole(jax.random.key(1), log_weights).block_until_ready())


peers = None  # of a peer's process


def begin(cases):
    global peers
    peers = Peers(cases)


def time_peer(*arguments):
    return peers.time(*arguments)


def main():
    options = parse()
    enter_environment()
    threads = len(os.sched_getaffinity(0))
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    cases, time_steps = build()
    jobs = [("JAX", kind, width, threads, 20 if kind == "step" else 5) for width in (64, 128, 512) for kind in ("step", "smc", "training")]
    jobs += [("JAX", "unet_step", 32, threads, 10), ("JAX", "unet_training", 32, threads, 3)]
    jobs += [("OpenVINO", "forward", width, 1, 30) for width in (64, 128, 256, 512)]
    jobs += [("particles", "resampling", 1, 1, 10), ("blackjax", "resampling", 1, threads, 10)]
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    processor = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    if options.only:
        jobs = [job for job in jobs if job[1].startswith(options.only)]
    if options.quick:
        jobs = [job for job in jobs if job[2] <= 64]
    names = {peer: f"{peer} {importlib.metadata.version(peer.lower())}" for peer, *_ in jobs}

    spawn = multiprocessing.get_context("spawn")
    processes = {job[0]: concurrent.futures.ProcessPoolExecutor(1, spawn, begin, (cases,)) for job in jobs}
    ours, theirs = [float("inf")] * len(jobs), [float("inf")] * len(jobs)
    rounds = 1 if options.quick else options.rounds
    for turn in range(rounds):
        for at, (peer, kind, width, count, runs) in enumerate(jobs):
            print(f"round {turn + 1} of {rounds}: {kind}, width {width}, {peer}", flush=True)
            command = [time_steps, kind, str(width), str(COLUMNS[kind]), str(count), str(runs)]
            ours[at] = min(ours[at], float(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
            theirs[at] = min(theirs[at], processes[peer].submit(time_peer, peer, kind, width, count, runs).result())

    rows = []
    print("\n| job | width | columns | threads | peer | its ms | our ms | times as fast |\n| --- | ---: | ---: | ---: | --- | ---: | ---: | ---: |")
    for (peer, kind, width, count, _), mine, other in zip(jobs, ours, theirs):
        row = {"job": kind, "width": width if kind != "resampling" else None, "columns": COLUMNS[kind], "threads": count, "peer": names[peer],
               "peer_ms": round(other, 4), "our_ms": round(mine, 4), "times_as_fast": round(other / mine, 3)}
        rows.append(row)
        print("| " + " | ".join("" if value is None else str(value) for value in row.values()) + " |")
    result = {"processor": processor, "cores": threads, "date": datetime.date.today().isoformat(), "rounds": rounds, "rows": rows}
    output = options.output or (None if options.quick or options.only else ROOT / "benchmarks" / "results" / "peers_cpu.json")
    if output:
        output.write_text(json.dumps(result, indent=1) + "\n")
        print(f"\nwritten to {output}")


if __name__ == "__main__":
    main()
