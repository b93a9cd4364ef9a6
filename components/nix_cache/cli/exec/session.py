"""Runs a command and pushes what became valid meanwhile."""

import os
import signal
import subprocess
from collections.abc import Callable, Sequence

from nix_cache.cli.errors import ClientError, ExitCode, UsageError
from nix_cache.cli.machine import console, interrupt
from nix_cache.cli.upload import new_paths, report, session
from nix_cache.cli.upload.options import UploadOptions
from nix_cache.cli.upload.report import Result
from nix_cache.cli.upload.writer import Writer

_SIGNALLED = 128


Push = Callable[[Writer, Sequence[str], UploadOptions], Result]


def run(
    writer: Writer, command: Sequence[str], options: UploadOptions, push: Push = session.push
) -> int:
    """Run a command, then push.

    Args:
        writer: as whom.
        command: the command and its arguments.
        options: how to upload.
        push: pushes some paths.

    Returns:
        the command's exit code, as a shell gives it.

    Raises:
        UsageError: the command cannot be started.
        ClientError: the store cannot be read.
    """
    store_dir = writer.manifest.store_dir
    before = new_paths.snapshot(store_dir)
    code = _finished(command)
    try:
        appeared = new_paths.appeared(before, new_paths.snapshot(store_dir))
        paths = new_paths.pushable(appeared, store_dir, new_paths.upstreams(writer, options))
        if paths:
            report.print_result(push(writer, paths, options))
        else:
            console.note("The command made no new store paths: there is nothing to push.")
    except ClientError as failure:
        console.error(failure)
        console.note(f"The command ended with {code}. What it built is not, or not all, pushed.")
    return code


def _finished(command: Sequence[str]) -> int:
    """Run a command on this terminal to its end; returns its exit code as a shell gives it."""
    signals = _Signals()
    try:
        with interrupt.passing_on(signals.take), subprocess.Popen(command) as process:
            signals.pass_to(process)
            code = process.wait()
    except OSError as failure:
        raise UsageError(
            f"{command[0]} cannot be run: {failure.strerror}",
            "name a command on PATH, after --",
        ) from None
    return _SIGNALLED - code if code < ExitCode.OK else code


class _Signals:
    """Passes signals on to a command, also one that came while it was started."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._early: int | None = None

    def take(self, number: int) -> None:
        """Take a signal; called within its handler."""
        if self._process is None:
            self._early = number
        # A terminal sends Ctrl-C to the command by itself.
        elif number != signal.SIGINT or not os.isatty(0):
            self._process.send_signal(number)

    def pass_to(self, process: "subprocess.Popen[bytes]") -> None:
        """Pass signals on to a process from now on."""
        self._process = process
        if self._early is not None:
            self.take(self._early)
