"""Gathers what run_benchmarks left into one small JSON file, and prints it as a table.

python3 benchmarks/summarise.py <folder of run_benchmarks> <compiler, in words> [output.json]
"""

import datetime
import json
import pathlib
import sys


def rows_of(file):
    for run in json.loads(file.read_text())["benchmarks"]:
        if "error_message" in run or run.get("run_type") == "aggregate" or "ratio" not in run:
            continue
        name = run["name"].removesuffix("/manual_time")
        other = next(key for key in run if key.endswith("_ms") and key != "fastest_ms")
        row = {"name": f"{file.stem}/{name}", "ms": run["fastest_ms"], "other": other.removesuffix("_ms"), "other_ms": run[other], "ratio": run["ratio"]}
        row |= {key: run[key] for key in ("bytes_a_particle",) if key in run}
        yield {key: float(f"{value:.3g}") if isinstance(value, float) else value for key, value in row.items()}


def processor():
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))


folder, compiler = pathlib.Path(sys.argv[1]), sys.argv[2]
rows = [row for file in sorted(folder.glob("*.json")) if "benchmarks" in file.read_text() for row in rows_of(file)]
result = {"processor": processor(), "compiler": compiler, "date": datetime.date.today().isoformat(), "rows": rows}
for extra in ("include_time", "numpy_searchsorted"):
    if (folder / f"{extra}.json").exists():
        result[extra] = json.loads((folder / f"{extra}.json").read_text())

print("| benchmark | ms | against | ms | ratio |\n| --- | ---: | --- | ---: | ---: |")
for row in rows:
    print(f"| {row['name']} | {row['ms']:g} | {row['other'].replace('_', ' ')} | {row['other_ms']:g} | {row['ratio']:g} |")
if len(sys.argv) > 3:
    pathlib.Path(sys.argv[3]).write_text(json.dumps(result, indent=1) + "\n")
