"""Systematic resampling of a million particles by numpy.searchsorted: the peer of resampling.benchmark.cpp.

/usr/bin/python3 benchmarks/numpy_searchsorted.py [output.json]; needs numpy. Processor time in ms, the fastest of 20 runs, and the ratio to a copy
that moves the 12 bytes a particle that cannot be done without.
"""

import json
import sys
import time

import numpy

COUNT, RUNS = 1_000_000, 20


def fastest_ms(call):
    call()
    times = []
    for _ in range(RUNS):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return 1e3 * min(times)


generator = numpy.random.default_rng(1)
cumulative = numpy.cumsum(numpy.exp(generator.standard_normal(COUNT)))
cumulative /= cumulative[-1]
places = (numpy.arange(COUNT) + generator.random()) / COUNT
source, target = numpy.zeros(6 * COUNT, numpy.uint8), numpy.zeros(6 * COUNT, numpy.uint8)

searched = fastest_ms(lambda: numpy.searchsorted(cumulative, places, side="right"))
copied = fastest_ms(lambda: numpy.copyto(target, source))
result = {"numpy": numpy.__version__, "searchsorted_ms": searched, "copy_ms": copied, "ratio": searched / copied}
print(json.dumps(result))
if len(sys.argv) > 1:
    with open(sys.argv[1], "w") as file:
        json.dump(result, file, indent=2)
