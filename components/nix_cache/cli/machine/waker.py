"""Lets other threads end the wait of one that watches connections."""

import contextlib
import socket
import threading

_SOME_BYTES = 1 << 12


class Waker:
    """A pair of sockets: a selector that watches it sees when another thread woke it."""

    def __init__(self) -> None:
        self._watched, self._sender = socket.socketpair()  # macOS has no eventfd
        self._watched.setblocking(False)
        self._sender.setblocking(False)
        # A thread that wakes while another one closes could write to a descriptor that is used
        # again by then.
        self._lock = threading.Lock()
        self._is_open = True

    def close(self) -> None:
        """Close the sockets. Later calls of ``wake`` do nothing."""
        with self._lock:
            self._is_open = False
            self._watched.close()
            self._sender.close()

    def fileno(self) -> int:
        """Return the descriptor to watch for reading."""
        return self._watched.fileno()

    def wake(self) -> None:
        """End the present wait, or the next one. Any thread may call this."""
        with self._lock:
            if self._is_open:
                with contextlib.suppress(BlockingIOError):  # full: it is awake
                    self._sender.send(b"\0")

    def clear(self) -> None:
        """Forget what woke it so far, so that the next wait does not end at once."""
        with contextlib.suppress(BlockingIOError):
            while self._watched.recv(_SOME_BYTES):
                pass
