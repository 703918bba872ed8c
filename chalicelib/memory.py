"""Return memory of the worker's process, so that a long run takes no more of it than a short one."""

import ctypes

import pyarrow as pa

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h of the GNU C library
_LARGE = 8 << 20  # bytes
_KEPT = 32 << 20  # bytes


def table_pool() -> pa.MemoryPool:
    """Return the allocator for tables that Arrow's CSV reader makes: Arrow's own.

    The reader reserves as many bytes for each column as the whole text has, and gives back what the column
    does not need, by way of a copy. The C library's allocator is left with a hole for each column. Untouched
    pages cost nothing; but in pages of 2 MiB (GLIBC_TUNABLES=glibc.malloc.hugetlb=1, or transparent huge
    pages at `always`) the first bytes of each hole cost one.
    """
    return pa.mimalloc_memory_pool()


def return_large_allocations() -> None:
    """Make the allocator return allocations of 8 MiB and more to the system as soon as they are freed.

    Such an allocation holds a block's records, as text or in the format of COPY. Arrow's own allocator keeps
    freed memory; the GNU C library keeps ever larger allocations unless a threshold is set: see mallopt(3),
    M_MMAP_THRESHOLD. Other C libraries have no mallopt.

    Smaller allocations are used again. With that threshold, the library would return them, too, as soon as
    128 KiB of them are free at the end of a thread's memory, and map others for the next block.
    """
    pa.set_memory_pool(pa.system_memory_pool())
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):
        mallopt(_M_MMAP_THRESHOLD, _LARGE)
        mallopt(_M_TRIM_THRESHOLD, _KEPT)


def release_free_memory() -> None:
    """Return smaller free allocations to the system: see malloc_trim(3). Takes some milliseconds."""
    for pool in (table_pool(), pa.default_memory_pool()):
        pool.release_unused()
