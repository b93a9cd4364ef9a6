"""Measures how much memory its own process had at most."""

from pathlib import Path

_PRELUDE = """
import atexit, os, re

def _write_peak(path={mark!r}):
    status = open("/proc/self/status").read()
    open(path, "w").write(re.search(r"VmHWM:\\s*(\\d+) kB", status)[1])

def _leave(code, leave=os._exit):
    _write_peak()
    leave(code)

os._exit = _leave
atexit.register(_write_peak)
"""


def prelude(mark: Path) -> str:
    """Return Python that lets its process write its peak memory to a file, however it ends.

    The maximum of ``getrusage`` is not that: a new process inherits the one of its parent.
    """
    return _PRELUDE.format(mark=str(mark))


def peak_bytes(mark: Path) -> int:
    """Return what the process wrote."""
    return int(mark.read_text()) * 1024
