"""The parts of the benchmark, by the names that they are asked for with."""

from collections.abc import Callable, Mapping

from bench import functions
from bench.figures import Measured
from bench.parts import again, against, growth, latency, memory, shapes, workers
from bench.world import World

# How to measure it: on what, in how many rounds, with how many rows of the usual narrow file.
Part = Callable[[World, int, int], Measured]
PARTS: Mapping[str, Part] = {
    "shapes": shapes.measure,
    "peers": against.measure,
    "again": again.measure,
    "workers": workers.measure,
    "growth": growth.measure,
    "memory": memory.measure,
    "latency": latency.measure,
    "functions": functions.measure,
}
