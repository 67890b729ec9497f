"""What a change costs: whole steps (benchmarks/steps) compiled with the headers of an older commit and with those of the working tree, run in
pairs, one after the other in either order, in processes of their own.

    python3 benchmarks/against_commit.py COMMIT [--pairs 24] [--out FILE.json]

Prints for each step the median over the pairs of new time / old time, its quartiles, and the least time of either.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

root = pathlib.Path(__file__).resolve().parent.parent
steps = {"SMC, never resampled": ("smc_step", "0"), "SMC, resampled in every step": ("smc_step", "2"),
         "Diamond step, width 128": ("diamond_step", "128"), "Diamond step, width 512": ("diamond_step", "512"),
         "training step, width 128": ("training_step", "128"), "training step, width 256": ("training_step", "256")}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commit", help="that the working tree is held against")
    parser.add_argument("--pairs", type=int, default=24, help="of runs (default: 24)")
    parser.add_argument("--compiler", default="g++")
    parser.add_argument("--eigen", default="/usr/include/eigen3", help="the folder of Eigen's headers")
    parser.add_argument("--out", type=pathlib.Path, help="a JSON file for the results")
    options = parser.parse_args()
    if options.pairs < 2:
        parser.error("fewer than 2 pairs have no quartiles")
    with tempfile.TemporaryDirectory() as folder:
        results = compare(options, pathlib.Path(folder))
    if options.out:
        options.out.write_text(json.dumps(results, indent=2) + "\n")


def compare(options, folder):
    archive = subprocess.run(["git", "-C", root, "archive", options.commit, "include"], capture_output=True)
    if archive.returncode:
        sys.exit(f"no headers of commit {options.commit}: {archive.stderr.decode().strip()}")
    (folder / "old").mkdir()
    subprocess.run(["tar", "-x", "-C", folder / "old"], input=archive.stdout, check=True)
    includes = {"old": folder / "old" / "include", "new": root / "include"}
    for program in sorted({program for program, _ in steps.values()}):
        for side, include in includes.items():
            compiled = subprocess.run([options.compiler, "-std=c++20", "-O3", "-DNDEBUG", "-march=native", "-mtune=generic", "-I", include, "-isystem", options.eigen,
                            root / "benchmarks" / "steps" / f"{program}.cpp", "-o", folder / f"{program}_{side}", "-pthread"])
            if compiled.returncode:
                sys.exit(f"{program}.cpp does not compile with the {side} headers: hold commits against each other that share its names")
    commit = subprocess.run(["git", "-C", root, "rev-parse", options.commit], capture_output=True, text=True, check=True).stdout.strip()
    results = {"old": commit, "pairs": options.pairs, "steps": {}}
    for name, (program, argument) in steps.items():
        seconds = {"old": [], "new": []}
        for pair in range(options.pairs):
            for side in ("old", "new") if pair % 2 == 0 else ("new", "old"):
                seconds[side].append(float(subprocess.check_output([folder / f"{program}_{side}", argument])))
        low, median, high = statistics.quantiles((new / old for old, new in zip(seconds["old"], seconds["new"])), n=4)
        results["steps"][name] = {"ratio": median, "quartiles": [low, high], "old_ms": 1e3 * min(seconds["old"]), "new_ms": 1e3 * min(seconds["new"])}
        print(f"{name}: {median:.3f} [{low:.3f}, {high:.3f}], least {1e3 * min(seconds['old']):.3f} ms and {1e3 * min(seconds['new']):.3f} ms", flush=True)
    return results


if __name__ == "__main__":
    main()
