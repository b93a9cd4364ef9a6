"""Runs the engine to its own end whatever signals come, and finds the reasons of its failures."""

import contextlib
import json
import os
import re
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nix_cache.cli.machine import interrupt

_WITHOUT_SIGHUP = 'trap "" HUP; exec "$@"'
"""A shell's command that becomes another program, which then ignores SIGHUP."""

_COLOUR = re.compile(r"<\{%.*?%\}>")
"""How the engine marks colours in the messages of its events."""


def run(command: Sequence[str], **options: Any) -> "subprocess.CompletedProcess[str]":
    """Run the engine, pass a signal on to it, and let it end by itself.

    It then finishes the step that it is at, notes it in the state and frees its lock.
    ``subprocess.run`` would kill it after a quarter of a second. SIGHUP alone it does not handle,
    so it is started to ignore that, and gets SIGTERM in its place.

    Within ``interrupt.shielded`` it gets no signal at all: it is in a separate process group,
    because a terminal sends Ctrl-C to every process of the foreground's.
    """
    is_apart = interrupt.is_shielded()
    interrupted = False
    earlier = interrupt.code()  # what runs after a signal cleans up, and is not stopped by it
    process: subprocess.Popen[str] | None = None
    passed_on: list[int] = []  # a second signal would end the engine at once

    def pass_on(number: int) -> None:
        if is_apart or process is None or passed_on:
            return
        if number == signal.SIGINT and _is_in_foreground():
            return
        passed_on.append(number)
        process.send_signal(signal.SIGINT if number == signal.SIGINT else signal.SIGTERM)

    with interrupt.passing_on(pass_on):
        process = subprocess.Popen(
            ["sh", "-c", _WITHOUT_SIGHUP, "sh", *command],
            process_group=0 if is_apart else None,
            **options,
        )
        if earlier is None and (code := interrupt.code()) is not None:
            pass_on(code - 128)  # it came before there was a process
        while True:
            try:
                out, err = process.communicate()
            except KeyboardInterrupt:  # where the signals are not handled by `interrupt`
                interrupted = True
            else:
                break
    if interrupted:
        raise KeyboardInterrupt
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def _is_in_foreground() -> bool:
    """Return whether a terminal sends its Ctrl-C to the engine too."""
    try:
        with Path("/dev/tty").open("rb", buffering=0) as terminal:
            return os.tcgetpgrp(terminal.fileno()) == os.getpgrp()
    except OSError:
        return False


def reasons(printed: str, errors: str) -> str:
    """Return what a failed command printed about its failure.

    With ``--json`` the engine prints its reasons as events among its result.

    Args:
        printed: its standard output.
        errors: its standard error.
    """
    messages = []
    for line in printed.split("\n"):
        with contextlib.suppress(ValueError):
            event = json.loads(line)
            found = event.get("diagnosticEvent") if isinstance(event, dict) else None
            if found and found.get("severity") in ("error", "warning"):
                messages.append(_COLOUR.sub("", found["message"]).strip())
    texts = [errors.strip(), *(message for message in messages if message not in errors)]
    return "\n".join(filter(None, dict.fromkeys(texts))) or printed.strip()
