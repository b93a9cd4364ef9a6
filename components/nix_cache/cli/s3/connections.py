"""Connections that keep deadlines, with the certificates and the proxies that Nix would use."""

import http.client
import os
import socket
import ssl
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import (  # type: ignore[attr-defined]  # typeshed lacks the second on Linux
    getproxies_environment,
    proxy_bypass_environment,
)

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from nix_cache.cli.errors import ClientError
from nix_cache.cli.s3.deadline import connect, tls_context

_BLOCK_BYTES = 1 << 16
"""What of a file is sent at a time."""

_CERTIFICATE_VARIABLES = ("NIX_SSL_CERT_FILE", "SSL_CERT_FILE", "AWS_CA_BUNDLE")


def certificates(environment: Mapping[str, str] = os.environ) -> str | None:
    """Return the file of trusted certificates that Nix would use; None for the system's own."""
    return next(filter(None, map(environment.get, _CERTIFICATE_VARIABLES)), None)


def trust(environment: Mapping[str, str] = os.environ) -> ssl.SSLContext:
    """Return a context that trusts those certificates.

    Raises:
        ClientError: the file that the environment names cannot be read.
    """
    chosen = certificates(environment)
    try:
        return tls_context(chosen or _fallback())
    except OSError as failure:
        raise ClientError(
            f"the certificates in {chosen} cannot be read: {failure.strerror or failure}",
            f"correct {' or '.join(_CERTIFICATE_VARIABLES)}",
        ) from None


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
        environment: names the certificates. Proxies are taken from the process's own.
    """
    settings: dict[str, Any] = {
        "maxsize": jobs,
        "blocksize": _BLOCK_BYTES,
        "timeout": urllib3.Timeout(connect=connect_seconds, read=read_seconds),
        "ssl_context": trust(environment) if url.startswith("https:") else None,
    }
    proxy = proxy_of(url)
    manager = (
        urllib3.ProxyManager(proxy, proxy_headers=_login(proxy), **settings)
        if proxy
        else (urllib3.PoolManager(**settings))
    )
    manager.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}
    return manager


def proxy_of(url: str) -> str | None:
    """Return the proxy for a URL, as the environment variables that curl and Nix read name it.

    Raises:
        ClientError: it is of a kind that is not supported.
    """
    parts = urlsplit(url)
    known = getproxies_environment()
    proxy = known.get(parts.scheme) or known.get("all")
    if not proxy or proxy_bypass_environment(parts.netloc):
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    if urlsplit(proxy).scheme not in {"http", "https"}:
        raise ClientError(
            f"{parts.scheme}_proxy names a proxy of the unsupported kind {urlsplit(proxy).scheme}",
            "name an http:// proxy, or list the host in no_proxy",
        )
    return proxy


def _login(proxy: str) -> dict[str, str]:
    parts = urlsplit(proxy)
    if parts.username is None:
        return {}
    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return dict(urllib3.make_headers(proxy_basic_auth=login))


def _fallback() -> str | None:
    """Return botocore's certificates where the system has none; else None."""
    paths = ssl.get_default_verify_paths()
    if paths.cafile or paths.capath or sys.platform == "win32":
        return None
    import botocore

    return str(Path(botocore.__file__).with_name("cacert.pem"))


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
