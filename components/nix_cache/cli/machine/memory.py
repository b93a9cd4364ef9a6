"""How the C library manages this process's memory."""

import ctypes
from contextlib import suppress

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_GLIBC_DEFAULT_BYTES = 128 * 1024


def return_freed_memory() -> None:
    """Let the C library return large blocks to the system when they are freed (glibc alone).

    It does so at first, and raises both limits, up to 64 MB, as soon as a large block is freed.
    Then each thread's heap keeps what it had at most: for a listing of a million objects about as
    much as the objects take.
    """
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt(_M_MMAP_THRESHOLD, _GLIBC_DEFAULT_BYTES)
        library.mallopt(_M_TRIM_THRESHOLD, _GLIBC_DEFAULT_BYTES)
