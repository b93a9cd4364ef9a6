"""Keeps the states of stacks small: the resources of a component are registered without a trace.

Pulumi's SDK for Python sends the whole call stack with each resource, and the engine keeps it in
the state: 2 kB of the 4 kB of a resource. A state in a folder or a bucket is written whole at each
step, so its size counts squared. The trace of the component itself leads to the program's line;
those of its children would lead into this package.
"""

import contextlib
import sys
import threading
from collections.abc import Iterator

_FRAMES = 5
"""Fewer than the SDK needs to find out who made a resource: then it sends no trace."""


class _Limit:
    """Python's limit for call stacks, ``sys.tracebacklimit``, which all threads share.

    Programs of the Automation API bring up several stacks at once, each in a thread. So the first
    block sets the limit, and the last one restores the program's own.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._blocks = 0
        self._before: int | None = None

    def lower(self) -> None:
        """Begin a block."""
        with self._lock:
            if self._blocks == 0:
                self._before = getattr(sys, "tracebacklimit", None)
                sys.tracebacklimit = _FRAMES
            self._blocks += 1

    def restore(self) -> None:
        """End a block."""
        with self._lock:
            self._blocks -= 1
            if self._blocks:
                return
            if self._before is None:
                del sys.tracebacklimit
            else:
                sys.tracebacklimit = self._before


_LIMIT = _Limit()


@contextlib.contextmanager
def untraced() -> Iterator[None]:
    """Register resources without their call stacks.

    What the block raises is shown in full outside of it.
    """
    _LIMIT.lower()
    try:
        yield
    finally:
        _LIMIT.restore()
