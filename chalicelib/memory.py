"""Return memory of the worker's process, so that a long run takes no more of it than a short one."""

import ctypes

import pyarrow as pa

_M_MMAP_THRESHOLD = -3  # malloc.h of the GNU C library
_LARGE = 8 << 20  # bytes


def arrow_pool() -> pa.MemoryPool:
    """Return Arrow's own allocator: for tables that its CSV reader makes, and for rows in COPY's format.

    The reader reserves as many bytes for each column as the whole text has, and gives back what the column
    does not need, by way of a copy. The C library's allocator is left with a hole for each column. Untouched
    pages cost nothing; but in pages of 2 MiB (GLIBC_TUNABLES=glibc.malloc.hugetlb=1, or transparent huge
    pages at `always`) the first bytes of each hole cost one.

    Pieces of rows in COPY's format, of some 4 MiB, follow each other. The C library would return each to the
    system, and map pages again for the next.
    """
    return pa.mimalloc_memory_pool()


def return_large_allocations() -> None:
    """Make the allocator return allocations of 8 MiB and more to the system as soon as they are freed.

    Such an allocation holds a block's records as text. Arrow's own allocator keeps
    freed memory; the GNU C library keeps ever larger allocations unless a threshold is set: see mallopt(3),
    M_MMAP_THRESHOLD. Other C libraries have no mallopt.
    """
    pa.set_memory_pool(pa.system_memory_pool())
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):
        mallopt(_M_MMAP_THRESHOLD, _LARGE)


def release_free_memory() -> None:
    """Return smaller free allocations to the system: see malloc_trim(3). Takes some milliseconds."""
    for pool in (arrow_pool(), pa.default_memory_pool()):
        pool.release_unused()
