"""The client of probes, against a server that closes connections."""

import socket

import pytest

from nix_cache.backends.s3.connection import S3Service
from nix_cache.backends.s3.login import S3Login, S3ServiceError
from nix_cache.backends.s3.plain_client import PlainClient
from tests.unit.cli.misbehaving import Misbehaving, always, answer, misbehaving

REFUSED = answer(b"<Error><Code>AccessDenied</Code></Error>", "403 Forbidden")


def client(server: Misbehaving) -> PlainClient:
    """Return a client of a bucket of the server."""
    service = S3Service(server.url, "us-east-1", "path")
    return PlainClient(service, "demo", S3Login("id", "secret"))


def test_a_connection_that_ends_after_a_refusal_is_no_outage() -> None:
    """Services close it while the next request is on its way."""

    def close_the_second(_: Misbehaving, line: socket.socket, number: int) -> None:
        if number == 2:
            raise ConnectionError
        line.sendall(REFUSED)

    with misbehaving(close_the_second) as server:
        probe = client(server)
        assert [str(probe.request("PUT", "nar/x", body=b"nixes")) for _ in range(2)] == [
            "403 AccessDenied",
            "403 AccessDenied",
        ]
        assert len(server.requests) == 3


def test_a_service_that_closes_every_connection_is_reported() -> None:
    """Instead of being asked for ever."""

    def close(_: Misbehaving, __: socket.socket, ___: int) -> None:
        raise ConnectionError

    with misbehaving(close) as server, pytest.raises(S3ServiceError, match="does not answer"):
        client(server).request("GET", "nix-cache-info")
    assert len(server.requests) == 4


def test_no_redirection_is_followed() -> None:
    """A credential is for the service that the user named."""
    elsewhere = answer(b"", "307 Temporary Redirect", Location="http://127.0.0.1:9/demo")
    with misbehaving(always(elsewhere)) as server:
        assert client(server).request("GET", "nix-cache-info").status == 307
