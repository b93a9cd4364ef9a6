"""Real failures of connections, each named as what it is, with its fix, and retried or not."""

import contextlib
import datetime
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from nix_cache.cli.limits import OBJECT
from nix_cache.cli.s3.body import FilePart
from nix_cache.cli.s3.causes import Cause
from nix_cache.cli.s3.errors import Meaning, UnansweredError
from nix_cache.cli.s3.hosts import NoAnswerError
from nix_cache.cli.s3.messages import Requester, explain
from nix_cache.cli.s3.transport import Transport
from nix_cache.formats.manifest import SMALLEST_PART_MIB
from tests.unit.cli.misbehaving import Misbehaving, always, answer, misbehaving
from tests.unit.cli.test_transport import QUICK, asked

OWNER = Requester("owner", "https://s3.example.org", "nix-cache")
WRITER = Requester("ci", "https://s3.example.org", "nix-cache", "team", "profile ci")
NOW = datetime.datetime.now(datetime.UTC)
YEAR = datetime.timedelta(days=365)


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the machine's own settings from tests."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "NIX_SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def failure_at(url: str) -> NoAnswerError:
    """Return why a host does not answer."""
    with pytest.raises(NoAnswerError) as failure:
        asked(url)
    return failure.value


@contextlib.contextmanager
def tls_server(context: ssl.SSLContext) -> Iterator[tuple[int, list[int]]]:
    """Provide the port of a server that only shakes hands, and a list that counts connections."""
    accepted: list[int] = []

    def serve(listener: socket.socket) -> None:
        while True:
            try:
                line, _ = listener.accept()
            except OSError:
                return
            accepted.append(1)
            with line, contextlib.suppress(OSError):
                context.wrap_socket(line, server_side=True).close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1], accepted
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def server_context(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


class TestTLS:
    """What stays until it is corrected is tried once."""

    @pytest.mark.parametrize(
        ("host", "starts", "ends", "is_trusted", "cause", "problem"),
        [
            ("127.0.0.1", -YEAR, -YEAR / 2, True, Cause.CERTIFICATE_EXPIRED, "has expired"),
            ("127.0.0.1", YEAR / 2, YEAR, True, Cause.CERTIFICATE_FUTURE, "is not valid yet"),
            ("127.0.0.2", -YEAR, YEAR, True, Cause.CERTIFICATE_HOST, "is for another host"),
            ("other.example", -YEAR, YEAR, True, Cause.CERTIFICATE_HOST, "is for another host"),
            ("127.0.0.1", -YEAR, YEAR, False, Cause.CERTIFICATE_UNKNOWN, "an unknown authority"),
        ],
    )
    def test_each_fault_of_a_certificate_is_named(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        host: str,
        starts: datetime.timedelta,
        ends: datetime.timedelta,
        is_trusted: bool,
        cause: Cause,
        problem: str,
    ) -> None:
        authority = trustme.CA()
        (authority if is_trusted else trustme.CA()).cert_pem.write_to_path(tmp_path / "ca.pem")
        monkeypatch.setenv("NIX_SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        leaf = authority.issue_cert(host, not_before=NOW + starts, not_after=NOW + ends)
        with tls_server(server_context(leaf)) as (port, accepted):
            failure = failure_at(f"https://127.0.0.1:{port}")

        assert failure.cause is cause
        assert failure.meaning is Meaning.BLOCKED
        assert failure.problem("https://s3.example.org").startswith(
            "the certificate of https://s3.example.org "
        )
        assert problem in failure.problem("x")
        assert len(accepted) == 1
        for requester in (OWNER, WRITER):
            shown = explain(failure, requester)
            assert type(shown) is UnansweredError
            assert "does not answer" not in shown.problem

    def test_a_certificate_that_is_signed_by_itself_is_named(self, tmp_path: Path) -> None:
        authority = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.private_key_pem.write_to_path(tmp_path / "own.pem")
        authority.cert_pem.write_to_path(tmp_path / "own.pem", append=True)
        context.load_cert_chain(tmp_path / "own.pem")
        with tls_server(context) as (port, _):
            assert failure_at(f"https://127.0.0.1:{port}").cause is Cause.CERTIFICATE_SELF_SIGNED

    @pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
    def test_an_old_version_of_tls_is_named(self) -> None:
        context = server_context(trustme.CA().issue_cert("127.0.0.1"))
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("ALL:@SECLEVEL=0")
        with tls_server(context) as (port, accepted):
            failure = failure_at(f"https://127.0.0.1:{port}")

        assert failure.cause is Cause.TLS_VERSION
        assert len(accepted) == 1

    def test_tls_to_a_plain_port_is_named(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:

            def serve() -> None:
                line, _ = listener.accept()
                with line:
                    line.recv(100)
                    line.sendall(answer(b"", "400 Bad Request"))

            thread = threading.Thread(target=serve, daemon=True)
            thread.start()
            failure = failure_at(f"https://127.0.0.1:{listener.getsockname()[1]}")
            thread.join(10)

        assert failure.cause is Cause.TLS_MISSING
        assert "http://" in failure.cause.fix

    def test_a_plain_request_to_a_tls_port_is_named(self) -> None:
        """OpenSSL answers with an alert, which is not HTTP."""

        def alert(_server: Misbehaving, line: socket.socket, _number: int) -> None:
            line.sendall(b"\x15\x03\x01\x00\x02\x02\x46")
            raise ConnectionAbortedError

        with misbehaving(alert) as server:
            failure = failure_at(server.url)

        assert failure.cause is Cause.TLS_EXPECTED
        assert "https://" in failure.cause.fix
        assert len(server.requests) == 1


class TestNetwork:
    """What may pass is tried again, as cloud SDKs do."""

    def test_a_name_without_an_address_is_tried_again(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tries: list[int] = []

        def unknown(*_args: object, **_named: object) -> list[object]:
            tries.append(1)
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", unknown)
        failure = failure_at("http://cache.invalid")

        assert failure.cause is Cause.NAME
        assert "DNS" in explain(failure, WRITER).fix
        assert len(tries) == QUICK.tries

    @pytest.mark.parametrize(
        ("raised", "cause"),
        [
            (ConnectionRefusedError(111, "Connection refused"), Cause.REFUSED),
            (OSError(113, "No route to host"), Cause.UNREACHABLE),
            (OSError(101, "Network is unreachable"), Cause.UNREACHABLE),
        ],
    )
    def test_a_host_that_cannot_be_connected_to_is_tried_again(
        self, monkeypatch: pytest.MonkeyPatch, raised: OSError, cause: Cause
    ) -> None:
        tries: list[int] = []

        def fails(*_args: object, **_named: object) -> None:
            tries.append(1)
            raise raised

        monkeypatch.setattr("nix_cache.cli.s3.connections.connect", fails)
        failure = failure_at("http://cache.example.org")

        assert failure.cause is cause
        assert failure.meaning is Meaning.NO_ANSWER
        assert str(raised.strerror) in explain(failure, OWNER).problem
        assert len(tries) == QUICK.tries

    def test_a_connection_that_breaks_within_a_large_body_may_show_a_limit(
        self, tmp_path: Path
    ) -> None:
        """Some proxies close the connection in place of answering 413."""
        file = tmp_path / "nar"
        file.write_bytes(bytes(8_000_000))
        with socket.create_server(("127.0.0.1", 0)) as listener:

            def serve() -> None:
                while True:
                    try:
                        line, _ = listener.accept()
                    except OSError:
                        return
                    with line:
                        left = 2_000_000
                        while left > 0 and (chunk := line.recv(65536)):
                            left -= len(chunk)

            thread = threading.Thread(target=serve, daemon=True)
            thread.start()
            headers = {"Content-Length": "8000000"}
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/x"
            with file.open("rb") as opened, pytest.raises(NoAnswerError) as failure:
                Transport(QUICK).exchange(
                    "PUT", url, headers, FilePart(opened.fileno(), 0, 8_000_000), OBJECT
                )
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)

        assert failure.value.cause is Cause.LARGE_BODY
        assert f"try --part-size {SMALLEST_PART_MIB}," in explain(failure.value, WRITER).fix
        assert "partSizeMib" in explain(failure.value, WRITER).fix


class TestProxies:
    """Failures of a proxy name the proxy."""

    @pytest.mark.parametrize(
        ("status", "cause", "tries"),
        [
            ("407 Proxy Authentication Required", Cause.PROXY_LOGIN, 1),
            ("403 Forbidden", Cause.PROXY_REFUSES, 1),
            ("502 Bad Gateway", Cause.PROXY_FAILS, QUICK.tries),
        ],
    )
    def test_what_a_proxy_answers_to_connect_is_named(
        self, monkeypatch: pytest.MonkeyPatch, status: str, cause: Cause, tries: int
    ) -> None:
        with misbehaving(always(answer(b"", status))) as proxy:
            monkeypatch.setenv("https_proxy", proxy.url)
            failure = failure_at("https://cache.invalid")

        assert failure.cause is cause
        assert "proxy" in failure.problem("https://cache.invalid")
        asked_for = [request.rpartition(" ")[0] for request in proxy.requests]
        assert asked_for == ["CONNECT cache.invalid:443"] * tries

    def test_a_proxy_that_is_not_there_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """And not the host behind it."""
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
        failure = failure_at("http://cache.invalid")

        assert failure.cause is Cause.PROXY_SILENT
        assert failure.problem("http://cache.invalid").startswith("the proxy for http://cache.inv")


def test_every_cause_has_a_text_and_what_stays_has_a_fix() -> None:
    """One table for all commands."""
    for cause in Cause:
        assert "x.example" in cause.problem("x.example", "because")
        assert cause.fix or cause.may_pass
