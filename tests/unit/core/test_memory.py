import subprocess
import sys

# A large piece, and a small one that is kept, again and again: the small ones lie on top of what was freed.
_PROGRAM = """
import sys
import pyarrow as pa
from chalicelib.memory import return_large_allocations, release_free_memory

def resident():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))

return_large_allocations()
kept, before = [], resident()
for size in range(9, 30):
    large = pa.array([b"x" * (size << 20)]), bytes(size << 20)
    kept.append(bytes(100_000))
    del large
print(pa.default_memory_pool().backend_name, resident() - before)
small = [bytes(100_000) for _ in range(500)]
kept.append(bytes(100_000))
del small
used = resident()
release_free_memory()
print(used - resident())
"""


def test_large_pieces_are_freed_at_once_and_small_ones_on_request() -> None:
    told = subprocess.run([sys.executable, "-c", _PROGRAM], check=True, capture_output=True, text=True)
    allocator, kept, given_back = told.stdout.split()
    assert allocator == "system"
    assert int(kept) < 16 << 10  # KiB
    assert int(given_back) > 16 << 10
