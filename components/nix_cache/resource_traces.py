"""Keeps the states of stacks small: the resources of a component are registered without a trace.

Pulumi's SDK for Python sends the whole call stack with each resource, and the engine keeps it in
the state: 2 kB of the 4 kB of a resource. A state in a folder or a bucket is written whole at each
step, so its size counts squared. The trace of the component itself leads to the program's line;
those of its children would lead into this package.
"""

import contextlib
import sys
from collections.abc import Iterator

_FRAMES = 5
"""Fewer than the SDK needs to find out who made a resource: then it sends no trace."""


@contextlib.contextmanager
def untraced() -> Iterator[None]:
    """Register resources without their call stacks.

    ``sys.tracebacklimit`` is Python's own limit for call stacks. What the block raises is shown in
    full outside of it.
    """
    before = getattr(sys, "tracebacklimit", None)
    sys.tracebacklimit = _FRAMES
    try:
        yield
    finally:
        if before is None:
            del sys.tracebacklimit
        else:
            sys.tracebacklimit = before
