"""The measurements, by the names that select them on the command line."""

from collections.abc import Callable, Mapping

from bench.figures import Measurement
from bench.measurements import again, costs, functions, growth, latency, memory, peers, shapes, small, workers
from bench.stack import Stack

# Takes the stack, the number of rounds and the rows of the narrow file.
Measure = Callable[[Stack, int, int], Measurement]
MEASUREMENTS: Mapping[str, Measure] = {
    "shapes": shapes.measure,
    "peers": peers.measure,
    "again": again.measure,
    "workers": workers.measure,
    "small": small.measure,
    "growth": growth.measure,
    "memory": memory.measure,
    "latency": latency.measure,
    "functions": functions.measure,
    "costs": costs.measure,
}
