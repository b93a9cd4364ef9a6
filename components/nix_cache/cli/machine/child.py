"""Runs other programs, with limits of time and size, and none that outlives the command."""

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from nix_cache.cli.limits import PROGRAM_BYTES, PROGRAM_ERROR_BYTES, TooLargeError
from nix_cache.cli.machine import interrupt

_END_SECONDS = 0.4
"""What a program gets to end by itself: less than an interrupted command has."""

_CHUNK_BYTES = 1 << 16


@dataclass(frozen=True)
class Done:
    """A program that ended.

    Attributes:
        returncode: its exit code.
        output: what it printed.
        stderr: what it printed besides; the beginning, if that is much.
    """

    returncode: int
    output: bytes
    stderr: str

    @property
    def stdout(self) -> str:
        """What it printed, as text."""
        return self.output.decode(errors="replace")


def run(
    command: Sequence[str],
    *,
    timeout_seconds: float,
    environment: Mapping[str, str] | None = None,
    given: str = "",
    folder: Path | None = None,
    most_bytes: int = PROGRAM_BYTES,
) -> Done:
    """Run a program to its end.

    Args:
        command: the program and its arguments.
        timeout_seconds: after which it is stopped.
        environment: its; this process's own if None.
        given: what it reads.
        folder: where it runs; here if None.
        most_bytes: the most that it may print.

    Raises:
        OSError: it cannot be started.
        subprocess.TimeoutExpired: it took too long.
        TooLargeError: it printed more.
    """
    with started(command, environment, stdout=subprocess.PIPE, folder=folder) as child:
        assert child.stdin is not None  # for the type checker
        assert child.stdout is not None
        assert child.stderr is not None
        end = time.monotonic() + timeout_seconds
        waiting = memoryview(given.encode())
        texts = {child.stdout: bytearray(), child.stderr: bytearray()}
        with selectors.DefaultSelector() as selector:
            for stream in texts:
                selector.register(stream, selectors.EVENT_READ)
            os.set_blocking(child.stdin.fileno(), False)
            selector.register(child.stdin, selectors.EVENT_WRITE)
            while selector.get_map():
                ready = selector.select(end - time.monotonic())
                if time.monotonic() >= end:
                    raise subprocess.TimeoutExpired(command, timeout_seconds)
                for key, _ in ready:
                    pipe: Any = key.fileobj
                    if pipe is child.stdin:
                        waiting = _fed(pipe, waiting)
                        is_over = not waiting
                    else:
                        chunk = os.read(pipe.fileno(), _CHUNK_BYTES)
                        is_over = not chunk
                        texts[pipe] += chunk
                    if is_over:
                        selector.unregister(pipe)
                        pipe.close()
                if len(texts[child.stdout]) > most_bytes:
                    raise TooLargeError(most_bytes)
                del texts[child.stderr][PROGRAM_ERROR_BYTES:]
        child.wait(max(0.0, end - time.monotonic()))
        out, err = texts.values()
        return Done(child.returncode, bytes(out), err.decode(errors="replace"))


@contextlib.contextmanager
def started(
    command: Sequence[str],
    environment: Mapping[str, str] | None,
    *,
    stdout: int,
    folder: Path | None = None,
) -> Iterator["subprocess.Popen[bytes]"]:
    """Provide a program that does not outlive this block, unless this process is killed outright.

    Args:
        command: the program and its arguments.
        environment: its; this process's own if None.
        stdout: what becomes of its standard output. Its input and its error are pipes.
        folder: where it runs; here if None.

    Raises:
        OSError: it cannot be started.
    """
    child = None
    try:
        with interrupt.shielded():  # else a signal could come when it runs and nothing knows it yet
            child = subprocess.Popen(
                command,
                env=None if environment is None else dict(environment),
                cwd=folder,
                stdin=subprocess.PIPE,
                stdout=stdout,
                stderr=subprocess.PIPE,
                process_group=0,  # so that what a wrapper of the program started ends with it
            )
        begun = child
        with interrupt.cleaning(lambda: _kill(begun, signal.SIGKILL)):
            yield begun
    finally:
        if child is not None:
            _end(child)


def _fed(stream: IO[bytes], waiting: memoryview) -> memoryview:
    """Return what is still to be given to a program after as much was as it takes now."""
    try:
        return waiting[os.write(stream.fileno(), waiting[:_CHUNK_BYTES]) :] if waiting else waiting
    except BlockingIOError:
        return waiting
    except BrokenPipeError:
        return memoryview(b"")


def _end(child: "subprocess.Popen[bytes]") -> None:
    if child.poll() is None:
        _kill(child, signal.SIGTERM)
        try:
            child.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            _kill(child, signal.SIGKILL)
            child.wait()
    for stream in (child.stdin, child.stdout, child.stderr):
        if stream is not None:
            with contextlib.suppress(OSError):  # what it did not read
                stream.close()


def _kill(child: "subprocess.Popen[bytes]", number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, number)
