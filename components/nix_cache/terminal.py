"""Standard output and error of a program that shows foreign text.

After ``protect`` nothing that is printed can act on the terminal: not by ``print``, not by a
library's warnings, not by a traceback. Only ``nix_cache.cli.machine.console`` writes colours,
around the stream that escapes.
"""

import atexit
import contextlib
import errno
import io
import os
import sys
from typing import Any, TextIO

from nix_cache.redaction import keep_environment_secret, redacted
from nix_cache.visible import visible


class OutputError(OSError):
    """What was printed could not be written, for another reason than that its reader is gone."""


class Outlet(io.TextIOBase):
    """A stream as it is, except that a reader who has gone away is no error.

    A command whose output is cut off by ``| head`` still does its work, and its exit code shows
    that.

    Args:
        stream: standard output or standard error.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write text that is safe for a terminal.

        Raises:
            OutputError: it cannot be written, for example because the disk is full.
        """
        try:
            self._stream.write(text)
        except OSError as failure:
            self._give_up(failure)
        return len(text)

    def flush(self) -> None:
        """Write what is in the buffer.

        Raises:
            OutputError: it cannot be written.
        """
        if self._stream.closed:
            return
        try:
            self._stream.flush()
        except OSError as failure:
            self._give_up(failure)

    def isatty(self) -> bool:
        """Return whether it is a terminal."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """Return the number of its file descriptor."""
        return self._stream.fileno()

    def writable(self) -> bool:
        """Return that it is: what cannot be written is an error then."""
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of the stream."""
        return self._stream.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        """What becomes of characters that the encoding lacks."""
        return self._stream.errors

    def _give_up(self, failure: OSError) -> None:
        """Write to nowhere from now on, so that the interpreter's last flush cannot fail too."""
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
        if failure.errno != errno.EPIPE:
            raise OutputError(failure.errno, failure.strerror) from None


class EscapingStream(Outlet):
    """A stream on which text arrives as it may be shown: escaped and without secrets.

    Line ends and tabs stay. There is no ``buffer`` by which bytes would get past it.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self.rich_proxied_file = Outlet(stream)
        """Where rich writes, by its own convention: the console has escaped the text already."""

    def write(self, text: str) -> int:
        """Write any text."""
        super().write(visible(redacted(text), keep="\n\t"))
        return len(text)


def protect() -> None:
    """From now on, escape and redact what this process writes to its standard streams.

    What the encoding lacks is written as escapes too. Secrets in the environment are masked.
    """
    keep_environment_secret(os.environ)
    if isinstance(sys.stdout, EscapingStream):
        return
    sys.stdout = EscapingStream(_usable(sys.stdout, 1))
    sys.stderr = EscapingStream(_usable(sys.stderr, 2))
    atexit.register(_flush)


def finish() -> None:
    """Write what is still in the buffers.

    Raises:
        OutputError: it cannot be written.
    """
    for stream in (sys.stdout, sys.stderr):
        stream.flush()


def _flush() -> None:
    with contextlib.suppress(OutputError):
        finish()


def _usable(stream: Any, descriptor: int) -> TextIO:
    """Return a stream that can be written to: a closed one is None, and becomes one to nowhere."""
    if stream is None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        if nowhere != descriptor:  # else a file that is opened later would become the output
            os.dup2(nowhere, descriptor)
            os.close(nowhere)
        return os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace")
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")
    return stream  # type: ignore[no-any-return]
