"""Connections that keep deadlines, with the certificates and the proxies that Nix would use."""

import http.client
import os
import socket
from collections.abc import Mapping
from typing import Any

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


class _Response(http.client.HTTPResponse):
    """An answer that cannot be read without a limit: Python takes a chunk of -1 bytes for that."""

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
