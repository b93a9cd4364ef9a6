"""Connections that keep deadlines, with the certificates and the proxies that Nix would use."""

import http.client
import os
import socket
from collections.abc import Mapping
from typing import IO, Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from nix_cache.cli.s3.certificates import trust
from nix_cache.cli.s3.deadline import Deadline, connect
from nix_cache.cli.s3.proxies import proxy_of

_BLOCK_BYTES = 1 << 16
"""What of a file is sent at a time."""


def connections(
    url: str,
    connect_seconds: float,
    read_seconds: float,
    jobs: int,
    environment: Mapping[str, str] = os.environ,
) -> urllib3.PoolManager:
    """Return connections to the host of a URL, through its proxy if there is one.

    Args:
        url: the host's, or of something there.
        connect_seconds: the longest time for one address of the host.
        read_seconds: the longest time without a byte where no deadline is kept.
        jobs: how many connections are kept.
        environment: names the certificates and the proxies.

    Raises:
        ClientError: it names certificates or a proxy that cannot be used.
    """
    settings: dict[str, Any] = {
        "maxsize": jobs,
        "blocksize": _BLOCK_BYTES,
        "timeout": urllib3.Timeout(connect=connect_seconds, read=read_seconds),
        "ssl_context": trust(environment) if url.startswith("https:") else None,
    }
    proxy = proxy_of(url, environment)
    if proxy is None:
        manager = urllib3.PoolManager(**settings)
    else:
        manager = urllib3.ProxyManager(
            proxy.url,
            proxy_headers=dict(proxy.headers),
            proxy_ssl_context=trust(environment) if proxy.url.startswith("https:") else None,
            **settings,
        )
    manager.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}
    return manager


def peer_certificate(
    url: str, seconds: float, environment: Mapping[str, str] = os.environ
) -> Mapping[str, Any]:
    """Return the verified certificate of a host, as ``ssl.SSLSocket.getpeercert`` does.

    Args:
        url: of the host, with ``https``.
        seconds: the longest time.
        environment: names the certificates and the proxies.

    Raises:
        urllib3.exceptions.HTTPError: the host cannot be reached, or its certificate is refused.
        ClientError: the environment names something that cannot be used.
    """
    manager = connections(url, seconds, seconds, 1, environment)
    with Deadline(seconds).kept():
        response = manager.urlopen(
            "HEAD", url, redirect=False, retries=False, preload_content=False
        )
        try:
            line: Any = getattr(response.connection, "sock", None)
            return (line.getpeercert() if line else None) or {}
        finally:
            response.close()


def _seconds(connection: HTTPConnection) -> float:
    """How long connecting may take; urllib3 keeps that here while it connects."""
    assert isinstance(connection.timeout, float)
    return connection.timeout


class _Lines:
    """The lines of a head, and the last of them.

    Args:
        source: where they come from.
    """

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self.last = b""

    def readline(self, limit: int = -1) -> bytes:
        """Read a line, or what of it fits."""
        self.last = self._source.readline(limit)
        return self.last

    def close(self) -> None:
        """Close the source."""
        self._source.close()


class _Response(http.client.HTTPResponse):
    """An answer with a complete head and a limited body.

    Python takes a head that is cut off for a complete one, and reads without a limit if a chunk
    has -1 bytes.
    """

    def begin(self) -> None:
        """Read the head.

        Raises:
            IncompleteRead: it was cut off.
            HTTPException: it is not valid.
        """
        source: Any = self.fp
        lines: Any = _Lines(source)
        self.fp = lines
        try:
            super().begin()
        finally:
            if self.fp is lines:
                self.fp = source
        if not lines.last.endswith(b"\n"):
            raise http.client.IncompleteRead(b"")

    def _read_next_chunk_size(self) -> int:
        size: int = super()._read_next_chunk_size()  # type: ignore[misc]  # it has no types
        if size < 0:
            raise http.client.HTTPException("the size of a chunk is negative")
        return size


class _HTTPConnection(HTTPConnection):
    response_class = _Response

    def _new_conn(self) -> socket.socket:
        return connect(self._dns_host, self.port, _seconds(self), self.socket_options or ())


class _HTTPSConnection(HTTPSConnection):
    response_class = _Response

    def _new_conn(self) -> socket.socket:
        return connect(self._dns_host, self.port, _seconds(self), self.socket_options or ())


class _HTTPPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _HTTPConnection


class _HTTPSPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection
