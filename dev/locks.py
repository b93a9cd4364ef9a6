"""Locks on a local state whose holders were killed: nobody else would ever remove them."""

import json
import socket
from pathlib import Path

import psutil


def remove_dead(state: Path) -> bool:
    """Remove the locks of runs that were killed on this machine; returns whether there were any.

    Args:
        state: the folder of a file backend.
    """
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
    except (OSError, ValueError, KeyError, psutil.Error):
        return False  # one that cannot be judged is kept, and the engine names it
