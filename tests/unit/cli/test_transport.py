"""Requests to hosts that hang, drip, flood, redirect or lie. All of them are real sockets."""

import re
import resource
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
import trustme

from nix_cache.cli.errors import ClientError
from nix_cache.cli.limits import ERROR_BYTES, OBJECT, TIMES, LimitKind, TimeLimits
from nix_cache.cli.s3 import deadline as deadlines
from nix_cache.cli.s3.hosts import NoAnswerError
from nix_cache.cli.s3.reply import OversizedError, RedirectedError, Reply
from nix_cache.cli.s3.retry import retry_after_seconds
from nix_cache.cli.s3.transport import Transport
from tests.unit.cli.misbehaving import Answer, Misbehaving, always, answer, misbehaving

QUICK = TimeLimits(
    unanswered_seconds=0.6,
    stalled_seconds=0.8,
    first_byte_seconds=0.5,
    connect_seconds=0.3,
    retry_after_seconds=0.2,
    backoff_seconds=0.01,
    tries=3,
    progress_bytes=1000,
    stalled_requests=2,
    slow_requests=3,
)
SLACK_SECONDS = 4.0
"""A busy machine may be so late."""

SMALL = LimitKind("small thing", 100)


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the machine's own settings from tests."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)


def asked(
    url: str, transport: Transport | None = None, kind: LimitKind = OBJECT, method: str = "GET"
) -> Reply:
    """Return what a host answers."""
    return (transport or Transport(QUICK)).exchange(method, f"{url}/x", {}, None, kind)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Make sure that something ends in time."""
    started = time.monotonic()
    yield
    assert time.monotonic() - started < seconds + SLACK_SECONDS


def hang(server: Misbehaving, _line: socket.socket, _number: int) -> None:
    server.hang()


def drip_head(server: Misbehaving, line: socket.socket, _number: int) -> None:
    server.drip(line, b"HTTP/1.1 200 OK\r\nX: " + b"x" * 10_000, 0.05)


def drip_body(server: Misbehaving, line: socket.socket, _number: int) -> None:
    line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n")
    server.drip(line, b"x", 0.05)


def drip_chunks(server: Misbehaving, line: socket.socket, _number: int) -> None:
    line.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    server.drip(line, b"1\r\nx\r\n", 0.05)


def continue_for_ever(server: Misbehaving, line: socket.socket, _number: int) -> None:
    server.flood(line, b"HTTP/1.1 100 Continue\r\n\r\n")


def first_then(first: Answer, then: Answer) -> Answer:
    """Answer the first request in one way, and all others in another one."""
    return lambda server, line, number: (first if number == 1 else then)(server, line, number)


class TestTime:
    """Every request ends, whatever the host does."""

    @pytest.mark.parametrize("act", [hang, drip_head, continue_for_ever])
    def test_a_host_that_never_answers_is_given_up(self, act: Answer) -> None:
        """After the time for all of its requests together; further ones fail at once."""
        transport = Transport(QUICK)
        with misbehaving(act) as server:
            with within(QUICK.unanswered_seconds), pytest.raises(NoAnswerError) as first:
                asked(server.url, transport)
            before = len(server.requests)
            for _ in range(20):
                with pytest.raises(NoAnswerError, match="no answer within 1 s"):
                    asked(server.url, transport)

        assert first.value.given_up
        # On a busy machine the server may see the last try of the first request only now.
        assert len(server.requests) <= before + 1

    def test_a_host_that_accepts_no_connection_is_given_up(self) -> None:
        """Its queue of connections is full, so packets are dropped as a firewall does."""
        with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
            address = listener.getsockname()
            lines = [socket.socket() for _ in range(4)]
            for line in lines:
                line.setblocking(False)
                line.connect_ex(address)
            with within(QUICK.unanswered_seconds), pytest.raises(NoAnswerError) as failure:
                asked(f"http://127.0.0.1:{address[1]}")
            for line in lines:
                line.close()

        assert str(failure.value) == "no answer within 1 s"

    def test_a_name_that_is_not_resolved_is_given_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The resolver itself keeps no deadline, and blocks for minutes."""
        over = threading.Event()

        def silent(*_args: object, **_named: object) -> list[object]:
            over.wait(60)
            return []

        monkeypatch.setattr(socket, "getaddrinfo", silent)
        try:
            with within(QUICK.unanswered_seconds), pytest.raises(NoAnswerError) as failure:
                asked("http://cache.example.org")
        finally:
            over.set()

        assert failure.value.given_up

    def test_all_addresses_of_a_host_share_the_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """However many there are."""
        with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
            address = listener.getsockname()
            lines = [socket.socket() for _ in range(4)]
            for line in lines:
                line.setblocking(False)
                line.connect_ex(address)
            one = (socket.AF_INET, socket.SOCK_STREAM, 6, "", address)
            monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_named: [one] * 200)
            with within(QUICK.unanswered_seconds), pytest.raises(NoAnswerError):
                asked("http://cache.example.org")
            for line in lines:
                line.close()

    def test_the_second_address_is_taken_where_the_first_one_is_dead(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As with an IPv6 address that leads nowhere."""
        with misbehaving(always(answer(b"here"))) as server:
            good = ("127.0.0.1", int(server.address.partition(":")[2]))
            both = [
                (socket.AF_INET, socket.SOCK_STREAM, 6, "", address)
                for address in [("127.0.0.1", 9), good]
            ]
            monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_named: both)

            assert asked("http://cache.example.org").body == b"here"

    @pytest.mark.parametrize("act", [hang, drip_body, drip_chunks, continue_for_ever])
    def test_a_host_that_stops_answering_is_given_up(self, act: Answer) -> None:
        """Also one that sends a byte now and then: a small answer has to be complete in time."""
        transport = Transport(QUICK)
        with misbehaving(first_then(always(answer(b"first")), act)) as server:
            assert asked(server.url, transport).body == b"first"
            with within(2 * QUICK.stalled_seconds):
                for _ in range(5):
                    with pytest.raises(NoAnswerError, match="no progress within 1 s"):
                        asked(server.url, transport)
            assert len(server.requests) <= 6

    def test_slow_but_complete_answers_do_not_go_on_for_hours(self) -> None:
        """A few are borne with."""

        def slow(server: Misbehaving, line: socket.socket, _number: int) -> None:
            line.sendall(answer(b"", length=1))
            server.over.wait(0.6 * QUICK.stalled_seconds)
            line.sendall(b"x")

        transport = Transport(QUICK)
        with misbehaving(slow) as server:
            for _ in range(QUICK.slow_requests):
                assert asked(server.url, transport).body == b"x"
            with pytest.raises(NoAnswerError, match="3 answers took too long"):
                asked(server.url, transport)

    def test_one_try_that_hangs_is_followed_by_another(self) -> None:
        """A connection that was forgotten by a router costs some time, and no error."""
        patient = replace(QUICK, unanswered_seconds=20.0, stalled_seconds=20.0)
        with misbehaving(first_then(hang, always(answer(b"second")))) as server:
            assert asked(server.url, Transport(patient)).body == b"second"

    def test_tls_that_hangs_is_given_up(self) -> None:
        """The host accepts the connection and never says hello."""
        with (
            misbehaving(hang) as server,
            within(QUICK.unanswered_seconds),
            pytest.raises(NoAnswerError, match="no answer within 1 s"),
        ):
            asked(f"https://{server.address}")

    def test_a_body_under_tls_that_drips_is_given_up(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """TLS has its own sockets, which keep the same deadline."""
        authority = trustme.CA()
        authority.cert_pem.write_to_path(tmp_path / "ca.pem")
        monkeypatch.setenv("NIX_SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        over = threading.Event()

        def serve(listener: socket.socket) -> None:
            line, _ = listener.accept()
            with context.wrap_socket(line, server_side=True) as secured:
                secured.recv(65536)
                secured.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n")
                while not over.wait(0.05):
                    secured.sendall(b"x")

        with socket.create_server(("127.0.0.1", 0)) as listener:
            thread = threading.Thread(target=serve, args=(listener,), daemon=True)
            thread.start()
            with (
                within(QUICK.stalled_seconds),
                pytest.raises(NoAnswerError, match="no progress within 1 s"),
            ):
                asked(f"https://127.0.0.1:{listener.getsockname()[1]}")
            over.set()
            thread.join(10)

    def test_a_certificate_that_is_refused_is_not_tried_again(self) -> None:
        """It would be the same."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
        accepted: list[int] = []

        def serve(listener: socket.socket) -> None:
            while True:
                try:
                    line, _ = listener.accept()
                except OSError:
                    return
                accepted.append(1)
                with line, pytest.raises(OSError):  # noqa: PT011  # the client refuses
                    context.wrap_socket(line, server_side=True)

        with socket.create_server(("127.0.0.1", 0)) as listener:
            thread = threading.Thread(target=serve, args=(listener,), daemon=True)
            thread.start()
            with pytest.raises(NoAnswerError) as failure:
                asked(f"https://127.0.0.1:{listener.getsockname()[1]}")
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)

        assert failure.value.cause.is_certificate
        assert accepted == [1]


class TestRetries:
    """What is tried again, and when."""

    def test_a_reset_connection_and_a_busy_host_are_tried_again(self) -> None:
        """Each time the answer may be another one."""

        def act(_server: Misbehaving, line: socket.socket, number: int) -> None:
            if number == 1:
                raise ConnectionResetError
            line.sendall(answer(b"busy", "503 Slow Down") if number == 2 else answer(b"here"))

        with misbehaving(act) as server:
            assert asked(server.url).body == b"here"
        assert len(server.requests) == 3

    def test_a_code_for_busy_counts_with_any_status(self) -> None:
        """AWS answers 400 where a body came too slowly."""
        busy = answer(b"<Error><Code>RequestTimeout</Code></Error>", "400 Bad Request")
        with misbehaving(first_then(always(busy), always(answer(b"here")))) as server:
            assert asked(server.url).body == b"here"

    @pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 407, 409, 411, 413, 501, 505, 511])
    def test_all_other_answers_stay(self, status: int) -> None:
        """They are asked for once."""
        refusal = answer(b"<Error><Code>AccessDenied</Code></Error>", f"{status} No")
        with misbehaving(always(refusal)) as server:
            assert asked(server.url).status == status
        assert len(server.requests) == 1

    def test_what_may_have_been_done_is_not_done_twice(self) -> None:
        """A POST may have begun an upload although its answer is lost; a refused one has not."""

        def act(_server: Misbehaving, line: socket.socket, number: int) -> None:
            if number > 1:
                raise ConnectionResetError
            line.sendall(answer(b"busy", "503 Slow Down"))

        with misbehaving(act) as server, pytest.raises(NoAnswerError):
            asked(server.url, method="POST")
        assert len(server.requests) == 2

    @pytest.mark.parametrize(
        "text",
        ["3600", "1e9", "inf", "nan", "-5", "soon", "9" * 5000, "Wed, 21 Oct 9999 07:28:00 GMT"],
    )
    def test_the_longest_wait_is_ours_to_choose(self, text: str) -> None:
        """Whatever ``Retry-After`` says, in seconds or as a date."""
        with (
            misbehaving(always(answer(b"", "503 No", Retry_After=text))) as server,
            within(QUICK.tries * QUICK.retry_after_seconds),
        ):
            assert asked(server.url).status == 503
        assert len(server.requests) >= 2

    def test_retry_after_is_read_as_seconds_or_as_a_date(self) -> None:
        """Zero stands for all that is not to be waited for."""
        later = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)

        assert retry_after_seconds("7") == 7
        assert retry_after_seconds(" 2.5 ") == 2.5
        assert 85 < retry_after_seconds(later) <= 90
        for text in (None, "", "-1", "nan", "inf", "Wed, 21 Oct 2015 07:28:00 GMT", "٣", "0x10"):
            assert retry_after_seconds(text) in (0, 3), text


def repr_without_date(content: bytes) -> str:
    """Return a case's name: the same in every process, although an answer has a time."""
    return repr(re.sub(rb"Date: [^\r]*", b"Date: now", content))[:80]


class TestSizes:
    """What is read of an answer."""

    @pytest.mark.parametrize(
        "head",
        [
            b"Content-Length: 101",
            b"Content-Length: 99999999999999999999999999",
            b"Transfer-Encoding: chunked",
            b"Connection: close",
        ],
    )
    def test_a_body_is_read_up_to_the_limit_of_its_kind(self, head: bytes) -> None:
        """However its length is stated."""

        def act(server: Misbehaving, line: socket.socket, _number: int) -> None:
            line.sendall(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n")
            server.flood(line, b"5\r\nxxxxx\r\n" if b"chunked" in head else b"x" * 101)

        with (
            misbehaving(act) as server,
            within(1),
            pytest.raises(OversizedError, match=r"/x is larger than 100 bytes, .* small thing"),
        ):
            asked(server.url, kind=SMALL)
        assert len(server.requests) == 1

    def test_a_body_of_exactly_the_limit_is_read(self) -> None:
        """The limit is the largest that is allowed."""
        with misbehaving(always(answer(b"x" * 100))) as server:
            assert asked(server.url, kind=SMALL).body == b"x" * 100

    def test_an_endless_error_document_is_cut(self) -> None:
        """Its status is what counts."""

        def act(server: Misbehaving, line: socket.socket, _number: int) -> None:
            line.sendall(b"HTTP/1.1 403 No\r\nConnection: close\r\n\r\n<Code>AccessDenied</Code>")
            server.flood(line, b"x" * 1000)

        with misbehaving(act) as server, within(1):
            reply = asked(server.url, kind=SMALL)

        assert reply.status == 403
        assert len(reply.body) == ERROR_BYTES

    @pytest.mark.parametrize(
        "content",
        [
            answer(b"too short", length=50),
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nabcde\r\n",
            b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500 + b"\r\n",
            b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
            b"\x00\xff\x1b[31m nonsense\r\n\r\n",
            b"",
        ],
        ids=repr_without_date,
    )
    def test_an_answer_that_is_cut_off_or_no_http_is_an_error(self, content: bytes) -> None:
        """One clear error after a few tries."""

        def act(_server: Misbehaving, line: socket.socket, _number: int) -> None:
            line.sendall(content)
            raise ConnectionAbortedError

        with (
            misbehaving(act) as server,
            pytest.raises(NoAnswerError, match=r"cut off|not valid HTTP|without an answer"),
        ):
            asked(server.url)
        assert 1 < len(server.requests) <= QUICK.tries

    @pytest.mark.parametrize(
        "flood",
        [
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;" + b"x" * 100_000,
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n" + b"x" * 100_000,
            b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000,
            b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000,
        ],
    )
    def test_endless_lines_and_heads_take_no_memory(self, flood: bytes) -> None:
        """They end with the first tries."""

        def act(server: Misbehaving, line: socket.socket, _number: int) -> None:
            server.flood(line, flood)

        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with misbehaving(act) as server, within(1), pytest.raises(NoAnswerError):
            asked(server.url)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


class TestRedirects:
    """No redirect is followed."""

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_a_redirect_is_one_error_that_names_its_target(self, status: int) -> None:
        """Without the rest of a signed URL."""
        moved = answer(b"", f"{status} Moved", Location="https://other.example.org:8443/x?y=z")
        with misbehaving(always(moved)) as server:
            reply = asked(server.url)
            with pytest.raises(RedirectedError) as failure:
                reply.require_no_redirect()

        assert failure.value.problem == (
            f"the endpoint {server.url} redirects to https://other.example.org:8443"
        )
        assert "set that URL" in failure.value.fix
        assert len(server.requests) == 1

    @pytest.mark.parametrize("location", ["", "/other", "//", "http://[", "\x1b[31m"])
    def test_any_target_is_named_as_far_as_it_can_be(self, location: str) -> None:
        """Also one that is missing or no URL."""
        reply = Reply("http://127.0.0.1:9/x", 301, {"Location": location} if location else {}, b"")
        with pytest.raises(RedirectedError, match=r"the endpoint http://127.0.0.1:9 redirects"):
            reply.require_no_redirect()


class TestLargeAnswers:
    """What is read as it comes in."""

    def test_a_large_answer_may_take_long_while_it_progresses(self) -> None:
        """Longer than a small one may in all."""

        def act(server: Misbehaving, line: socket.socket, _number: int) -> None:
            line.sendall(answer(b"", length=20_000))
            for _ in range(20):
                server.over.wait(0.1)
                line.sendall(b"x" * 1000)

        with misbehaving(act) as server, Transport(QUICK).opened(f"{server.url}/nar", {}) as stored:
            started = time.monotonic()
            assert len(stored.read()) == 20_000
            assert time.monotonic() - started > QUICK.stalled_seconds

    @pytest.mark.parametrize("act", [drip_body, drip_chunks])
    def test_a_trickle_is_no_progress(self, act: Answer) -> None:
        """A byte now and then would go on for years."""
        with (
            misbehaving(act) as server,
            within(QUICK.stalled_seconds),
            pytest.raises(NoAnswerError, match="no progress within 1 s"),
            Transport(QUICK).opened(f"{server.url}/nar", {}) as stored,
        ):
            stored.read()


class TestConnections:
    """Through what requests go."""

    def test_a_proxy_is_used_unless_the_host_is_excepted(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As the variables say that Nix reads."""
        with misbehaving(always(answer(b"by proxy"))) as proxy:
            monkeypatch.setenv("http_proxy", proxy.url)
            assert asked("http://cache.invalid").body == b"by proxy"
            assert proxy.requests == ["GET http://cache.invalid/x HTTP/1.1"]
            monkeypatch.setenv("no_proxy", "cache.invalid")
            with pytest.raises(NoAnswerError):
                asked("http://cache.invalid")

    def test_a_proxy_of_an_unknown_kind_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """It is not left out silently."""
        monkeypatch.setenv("http_proxy", "socks5://127.0.0.1:9")
        with pytest.raises(ClientError, match="proxy of the unsupported kind socks5"):
            asked("http://cache.invalid")

    def test_certificates_that_cannot_be_read_are_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """With the variables that name them."""
        monkeypatch.setenv("NIX_SSL_CERT_FILE", str(tmp_path / "missing.pem"))
        with pytest.raises(
            ClientError,
            match=r"missing\.pem \(NIX_SSL_CERT_FILE\) cannot be read: ",
        ):
            asked("https://127.0.0.1:9")

    @pytest.mark.parametrize("host", ["a" * 300, "..", "%zz", "[::1", "xn--\ud800"])
    def test_a_host_that_is_no_host_is_one_error(self, host: str) -> None:
        """Whatever the library makes of it."""
        with pytest.raises((NoAnswerError, ClientError)):
            asked(f"http://{host}")


def test_the_longest_times_are_those_that_are_promised() -> None:
    """12 s for a host that never answered, as a command ends within 20 s.

    60 s without progress, 10 s between two tries.
    """
    assert (TIMES.unanswered_seconds, TIMES.stalled_seconds, TIMES.retry_after_seconds) == (
        12,
        60,
        10,
    )


def test_a_name_that_has_no_address_is_reported_in_the_systems_words() -> None:
    """At once."""
    with pytest.raises(OSError, match=r".+"):
        deadlines.resolve("no-such-host.invalid", 80)
