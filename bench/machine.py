"""The machine that something was measured on."""

import os
import platform
import re
from pathlib import Path


def machine_words() -> str:
    """Return this machine in words that name no host."""
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    model = re.search(r"^model name\s*: (.*)$", text, re.MULTILINE)
    cores = len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 10**9
    kind = model[1] if model else platform.machine()
    return f"{cores} cores ({kind}), {memory:.0f} GB of memory, Linux {platform.release()}"
