"""Reports progress of what takes longer than a moment."""

import threading
import time
from typing import Self

from nix_cache.cli.machine import console

_QUIET_SECONDS = 0.8
_LINE_SECONDS = 10.0


class Progress:
    """Reports on standard error what is being done: one moving line on a terminal, else some lines.

    What is done within a second is not worth a word.

    Args:
        has_events: whether standard error has JSON lines for programs: then only notes are printed
            between them.
    """

    def __init__(self, *, has_events: bool = False) -> None:
        self._has_events = has_events
        self._status = console.StatusLine(console.err)
        self._text = ""
        self._shown_at = 0.0
        self._lock = threading.Lock()
        self._is_shown = self._is_terminal = False
        self._timer = threading.Timer(_QUIET_SECONDS, self._show)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        if not self._has_events:
            self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        with self._lock:
            self._is_shown = False
            self._status.stop()

    def tell(self, text: str) -> None:
        """Show the current progress."""
        with self._lock:
            self._text = text
            if self._is_shown:
                self._draw()

    def note(self, text: str) -> None:
        """Say something that stays to be read, at once."""
        with self._lock:
            console.note(text)

    def _show(self) -> None:
        with self._lock:
            self._is_shown = True
            self._is_terminal = console.err.is_terminal
            if self._is_terminal:
                self._status.start()
            self._draw()

    def _draw(self) -> None:
        if self._is_terminal:
            self._status.update(self._text)
        elif self._text and time.monotonic() - self._shown_at > _LINE_SECONDS:
            self._shown_at = time.monotonic()
            console.note(self._text)
