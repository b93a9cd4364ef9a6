"""What a run that was killed left in a local state, and nothing else would ever remove."""

import json
import socket
from pathlib import Path

import psutil


def remove_leftovers(state: Path) -> bool:
    """Remove what a killed run left; returns whether it held a lock.

    Locks of runs elsewhere, or of ones that still run, are kept. An empty file of attributes makes
    the state that it belongs to unreadable, and is of no use.

    Args:
        state: the folder of a file backend.
    """
    for attributes in state.glob(".pulumi/**/*.attrs"):
        if attributes.stat().st_size == 0:
            attributes.unlink()
    dead = [lock for lock in state.glob(".pulumi/locks/**/*.json") if _is_dead(lock)]
    for lock in dead:
        lock.unlink(missing_ok=True)
    return bool(dead)


def _is_dead(lock: Path) -> bool:
    try:
        holder = json.loads(lock.read_text())
        if holder["hostname"] != socket.gethostname():
            return False
        return "pulumi" not in psutil.Process(int(holder["pid"])).name()
    except psutil.NoSuchProcess:
        return True
    except (OSError, ValueError, KeyError, TypeError, psutil.Error):
        return False  # one that cannot be judged is kept, and the engine names it
