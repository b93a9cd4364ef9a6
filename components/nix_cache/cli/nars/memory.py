"""Memory that threads share: who needs much of it waits until there is enough."""

import contextlib
import threading
from collections.abc import Iterator


class MemoryBudget:
    """An amount of memory of which threads reserve parts.

    Args:
        size_bytes: all of it.
    """

    def __init__(self, size_bytes: int) -> None:
        self._free_bytes = size_bytes
        self._size_bytes = size_bytes
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def reserved(self, size_bytes: int) -> Iterator[None]:
        """Wait until so many bytes are free, and hold them.

        Raises:
            ValueError: there are never so many.
        """
        if size_bytes > self._size_bytes:
            raise ValueError(f"{size_bytes} bytes are more than all {self._size_bytes}")
        with self._changed:
            self._changed.wait_for(lambda: self._free_bytes >= size_bytes)
            self._free_bytes -= size_bytes
        try:
            yield
        finally:
            with self._changed:
                self._free_bytes += size_bytes
                self._changed.notify_all()
