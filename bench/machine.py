"""The machine that something was measured on."""

import os
import platform
import re
import shutil
from pathlib import Path


def machine_words() -> str:
    """Return this machine in words that name no host."""
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    model = re.search(r"^model name\s*: (.*)$", text, re.MULTILINE)
    cores = len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 10**9
    kind = model[1] if model else platform.machine()
    return f"{cores} cores ({kind}), {memory:.0f} GB of memory, Linux {platform.release()}"


def memory_folder(needed_bytes: int) -> str | None:
    """Return a folder whose files are in memory; None if there is none with enough space.

    A disk that has to keep what it was given takes longer than all programs here together, each
    time as long as it likes.
    """
    folder = "/dev/shm"  # noqa: S108  # what is made in it has a unique name
    try:
        has_space = shutil.disk_usage(folder).free >= needed_bytes
    except OSError:
        return None
    return folder if has_space and os.access(folder, os.W_OK) else None
