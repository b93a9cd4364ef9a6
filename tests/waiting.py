"""What tests wait for, and know, of other processes."""

import time
from collections.abc import Callable
from pathlib import Path

WAIT_SECONDS = 20.0


def wait_until(condition: Callable[[], bool], what: str, *, seconds: float = WAIT_SECONDS) -> None:
    """Wait for what other processes bring about; fail if they do not.

    Args:
        condition: whether it has come about.
        what: it, in words, for the failure.
        seconds: how long to wait.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"in {seconds:g} s: not {what}"
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    """Return whether a process is there and is no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
