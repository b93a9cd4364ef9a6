"""Ends a command within a second after Ctrl-C, SIGTERM or SIGHUP, wherever it is.

First an exception is raised in the main thread, so that files are put back and other programs are
stopped as after any error. If that takes too long, because something blocks that no exception can
reach, a thread does the most urgent and ends the process.
"""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, NoReturn

from nix_cache.cli.limits import INTERRUPT_SECONDS

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SHOW_CURSOR = b"\x1b[?25h"
_WATCHING = "interrupt"
_LEAVE_SECONDS = 0.2


class _State:
    """What happened so far in this process."""

    def __init__(self) -> None:
        self.number: int | None = None
        self.shields = 0
        self.shield = threading.RLock()
        self.pass_on: Callable[[int], None] | None = None
        self.cleanups: dict[object, Callable[[], None]] = {}


_state = _State()


def install() -> None:
    """Handle the signals from now on. One that the process was started to ignore stays ignored."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    handled = [one for one in _SIGNALS if signal.getsignal(one) is not signal.SIG_IGN]
    for one in handled:
        signal.signal(one, _raise)
    # The interpreter writes each signal's number there, even while the main thread blocks.
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    threading.Thread(
        target=_watch, args=(reading, frozenset(handled)), name=_WATCHING, daemon=True
    ).start()
    sys.unraisablehook = _silent_once_interrupted(sys.unraisablehook)
    threading.excepthook = _silent_once_interrupted(threading.excepthook)


def code() -> int | None:
    """Return the exit code that a signal asks for; None if there was none."""
    return None if _state.number is None else 128 + _state.number


@contextlib.contextmanager
def shielded() -> Iterator[None]:
    """Do something to its end although a signal comes. It must be short."""
    is_main = threading.current_thread() is threading.main_thread()
    with _state.shield:
        _state.shields += is_main
        try:
            yield
        finally:
            _state.shields -= is_main
    if is_main and _state.number is not None and not _state.shields:
        raise _exception(_state.number)


def is_shielded() -> bool:
    """Return whether something is being done to its end although a signal comes."""
    return bool(_state.shields)


@contextlib.contextmanager
def passing_on(pass_on: Callable[[int], None]) -> Iterator[None]:
    """Wait for another program to its end, however long that takes, and pass a signal on to it.

    Args:
        pass_on: gets the signal's number, at most once. It runs within the signal's handler.
    """
    with shielded():
        _state.pass_on = pass_on
        try:
            yield
        finally:
            _state.pass_on = None


@contextlib.contextmanager
def cleaning(cleanup: Callable[[], None]) -> Iterator[None]:
    """Let something be done if the process has to end at once while this goes on.

    Args:
        cleanup: what is urgent, such as to stop another program; it must be short. In all other
            cases it is the caller's own matter.
    """
    key = object()
    _state.cleanups[key] = cleanup
    try:
        yield
    finally:
        _state.cleanups.pop(key, None)


def leave(exit_code: int) -> int:
    """End the process now if threads go on; else give back the exit code.

    Python waits for some threads without a limit, and takes itself apart while others run: a worker
    that ends in that moment can abort the process. So workers get a moment to end first.

    Args:
        exit_code: of the command.
    """
    asked = code()
    if asked is not None or _threads_go_on():
        _end(exit_code if asked is None else asked)
    return exit_code


def _threads_go_on() -> bool:
    """Return whether threads of this process still run after a moment, but for the one of here."""
    others = {
        one
        for one in threading.enumerate()
        if one is not threading.main_thread() and one.name != _WATCHING
    }
    deadline = time.monotonic() + _LEAVE_SECONDS
    for one in others:
        one.join(max(0.0, deadline - time.monotonic()))
    return any(one.is_alive() for one in others)


def _raise(number: int, _frame: FrameType | None) -> None:
    if _state.number is not None:
        return  # it is ending already
    _state.number = number
    if _state.pass_on is not None:
        _state.pass_on(number)
    if not _state.shields:
        raise _exception(number)


def _exception(number: int) -> BaseException:
    return KeyboardInterrupt() if number == signal.SIGINT else SystemExit(128 + number)


def _watch(reading: int, handled: frozenset[int]) -> None:
    while (number := os.read(reading, 1)[0]) not in handled:
        pass
    while True:
        threading.Event().wait(INTERRUPT_SECONDS)
        if _state.shield.acquire(blocking=False):
            _end(128 + number)
        with _state.shield:  # then what was done to its end gets the same time to clean up
            pass


def _end(exit_code: int) -> NoReturn:
    for cleanup in list(_state.cleanups.values()):
        with contextlib.suppress(Exception):
            cleanup()
    with contextlib.suppress(OSError):
        if os.isatty(2):
            os.write(2, _SHOW_CURSOR)
    os._exit(exit_code)


def _silent_once_interrupted(hook: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Whatever fails because everything is being ended is not worth a traceback."""

    def shown(failure: Any) -> None:
        if _state.number is None:
            hook(failure)

    return shown
