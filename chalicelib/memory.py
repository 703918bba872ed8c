"""How the worker's process returns memory, so that a long run takes no more of it than a short one."""

import ctypes

import pyarrow as pa

_M_MMAP_THRESHOLD = -3  # malloc.h of the GNU C library
_LARGE = 8 << 20  # bytes


def give_back_large_pieces() -> None:
    """Make the allocator return pieces of 8 MiB and more to the system as soon as they are freed.

    Such a piece holds a block's records, as text or as COPY takes them. Arrow's own allocator keeps freed
    memory; that of the GNU C library keeps ever larger pieces unless a threshold is set: see mallopt(3),
    M_MMAP_THRESHOLD. Other C libraries have no mallopt, and are left alone.
    """
    pa.set_memory_pool(pa.system_memory_pool())
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):
        mallopt(_M_MMAP_THRESHOLD, _LARGE)


def give_back_what_is_free() -> None:
    """Return smaller free pieces to the system: see malloc_trim(3). Takes some milliseconds."""
    pa.default_memory_pool().release_unused()
