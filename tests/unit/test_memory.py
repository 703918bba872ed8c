import subprocess
import sys

# A large piece, and a small one that is kept, again and again: the small ones lie on top of what was freed.
_PROGRAM = """
import sys
import pyarrow as pa
from chalicelib.memory import give_back_large_pieces

def resident():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))

give_back_large_pieces()
kept, before = [], resident()
for size in range(9, 30):
    large = pa.array([b"x" * (size << 20)]), bytes(size << 20)
    kept.append(bytes(100_000))
    del large
print(pa.default_memory_pool().backend_name, resident() - before)
"""


def test_large_pieces_are_given_back() -> None:
    told = subprocess.run([sys.executable, "-c", _PROGRAM], check=True, capture_output=True, text=True)
    allocator, kib = told.stdout.split()
    assert allocator == "system"
    assert int(kib) < 16 << 10
