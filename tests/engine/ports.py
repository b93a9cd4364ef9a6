"""Ports that tests count on."""

import contextlib
import socket
from collections.abc import Iterator


class ReservedPort:
    """A loopback port that no other user gets, also while no user listens on it.

    It is kept by a socket that never listens; a server that may reuse addresses binds beside it.

    Args:
        number: the port; by default any that is free.
    """

    def __init__(self, number: int = 0) -> None:
        self._holder = socket.socket()
        self._holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._holder.bind(("127.0.0.1", number))
        self.address: tuple[str, int] = self._holder.getsockname()
        """Host and port."""

    @property
    def netloc(self) -> str:
        """The same as URLs have it."""
        host, number = self.address
        return f"{host}:{number}"

    def release(self) -> None:
        """Let it go."""
        self._holder.close()


@contextlib.contextmanager
def closed_port() -> Iterator[str]:
    """Host and port of a server that is down: connections are refused."""
    port = ReservedPort()
    try:
        yield port.netloc
    finally:
        port.release()
