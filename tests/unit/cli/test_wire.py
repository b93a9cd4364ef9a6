"""Answers over a connection that is open already: plain ones, odd ones, and hostile ones."""

import socket
import threading
import time
from pathlib import Path

import pytest

from nix_cache.cli.limits import ERROR_BYTES, OBJECT, LimitKind
from nix_cache.cli.s3.body import FilePart
from nix_cache.cli.s3.hosts import NoAnswerError
from nix_cache.cli.s3.reply import OversizedError, Reply
from nix_cache.cli.s3.transport import Transport
from nix_cache.cli.s3.wire import Headers
from tests.unit.cli.misbehaving import Answer, Misbehaving, always, answer, misbehaving
from tests.unit.cli.test_transport import QUICK, drip_body, drip_chunks, drip_head, hang, within

SMALL = LimitKind("small thing", 100)
CHUNKED = b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n"


class Visitor:
    """One who asks a server again and again, over the connections that stay open."""

    def __init__(
        self, server: Misbehaving, kind: LimitKind = OBJECT, *, is_kept: bool = True
    ) -> None:
        self._server = server
        self._kind = kind
        self._transport = Transport(QUICK)
        if is_kept:
            assert self.ask().body == b"first"

    def ask(self, method: str = "GET", body: bytes | FilePart | None = None) -> Reply:
        """Return an answer."""
        headers = {"Host": self._server.address}
        if body:
            headers["Content-Length"] = str(len(body))
        url = f"{self._server.url}/x?y=z"
        return self._transport.exchange(method, url, headers, body, self._kind)


class Connections:
    """Answers the first request of all plainly, and the others in another way.

    Attributes:
        used: the connection of each request, by number.
    """

    def __init__(self, then: Answer) -> None:
        self._then = then
        self.used: list[int] = []
        self._lines: list[socket.socket] = []
        self._lock = threading.Lock()

    def __call__(self, server: Misbehaving, line: socket.socket, number: int) -> None:
        """Answer a request."""
        with self._lock:
            if line not in self._lines:
                self._lines.append(line)
            self.used.append(self._lines.index(line))
        (always(answer(b"first")) if number == 1 else self._then)(server, line, number)


class TestReuse:
    """Which answers leave a connection open."""

    @pytest.mark.parametrize(
        ("content", "status", "body"),
        [
            (answer(b"second"), 200, b"second"),
            (answer(b"<Error/>", "404 Not Found", Connection="keep-alive"), 404, b"<Error/>"),
            (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
            (CHUNKED, 404, b"abcde"),
            (answer(b"x" * 70_000), 200, b"x" * 70_000),
        ],
        ids=["plain", "kept", "empty", "chunked", "long"],
    )
    def test_a_whole_answer_does(self, content: bytes, status: int, body: bytes) -> None:
        act = Connections(always(content))
        with misbehaving(act) as server:
            visitor = Visitor(server)
            replies = [visitor.ask(), visitor.ask()]

        assert [(reply.status, reply.body) for reply in replies] == [(status, body)] * 2
        assert act.used == [0, 0, 0]

    @pytest.mark.parametrize(
        "content",
        [
            answer(b"second") + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
            answer(b"second", Connection="close"),
            b"HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nsecond",
        ],
        ids=["smuggled", "closed", "old"],
    )
    def test_what_follows_an_answer_is_never_taken_for_the_next_one(self, content: bytes) -> None:
        act = Connections(always(content))
        with misbehaving(act) as server:
            visitor = Visitor(server)
            assert [visitor.ask().body, visitor.ask().body] == [b"second", b"second"]

        assert act.used == [0, 0, 1]

    @pytest.mark.parametrize(
        "head",
        [
            b"HTTP/1.1 200 OK\nContent-Length: 6\n\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 6\n\r\n",
            b"HTTP/1.1 200 OK\nContent-Length: 6\r\n\r\n",
        ],
        ids=["bare", "bare end", "bare field", "bare status"],
    )
    @pytest.mark.parametrize("is_split", [False, True])
    def test_a_head_may_have_bare_line_ends(self, head: bytes, is_split: bool) -> None:
        """Some proxies write them, and curl accepts them. Such a head is not waited for."""

        def act(_server: Misbehaving, line: socket.socket, _number: int) -> None:
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for piece in [head[:-1], head[-1:], b"second"] if is_split else [head + b"second"]:
                line.sendall(piece)
                time.sleep(0.01)

        connections = Connections(act)
        with misbehaving(connections) as server:
            visitor = Visitor(server)
            with within(1):
                assert [visitor.ask().body for _ in range(3)] == [b"second"] * 3

        assert connections.used == [0, 0, 0, 0]

    def test_the_size_of_an_object_is_no_body(self) -> None:
        """HEAD states the length of what GET would send."""
        act = Connections(always(answer(length=10**9)))
        with misbehaving(act) as server:
            visitor = Visitor(server)
            assert [visitor.ask("HEAD").headers["CONTENT-LENGTH"] for _ in range(2)] == [
                "1000000000"
            ] * 2

        assert act.used == [0, 0, 0]

    def test_a_connection_that_the_server_closed_is_replaced(self) -> None:
        def act(_server: Misbehaving, line: socket.socket, number: int) -> None:
            line.sendall(answer(b"first"))
            if number == 2:
                raise ConnectionAbortedError

        with misbehaving(act) as server:
            visitor = Visitor(server)
            assert [visitor.ask().body for _ in range(3)] == [b"first"] * 3
        assert len(server.requests) == 4


def test_headers_are_found_in_any_spelling() -> None:
    """Several of one name are one, and the end of a name is no name."""
    found = Headers('\r\nETag: "a"\r\nX-Vary:no\r\nvary: Origin \r\nVARY:\tAccept\xc4\r\nEmpty:')

    assert dict(found) == {"etag": '"a"', "x-vary": "no", "vary": "Origin, Accept\xc4", "empty": ""}
    assert len(found) == 4
    assert found["Etag"] == found.get("ETAG") == '"a"'
    assert "Vary" in found
    assert "ary" not in found
    assert found.get("Tag") is None
    assert found.get("Tag", "none") == "none"


def test_a_file_is_sent_as_it_is(tmp_path: Path) -> None:
    content = bytes(range(256)) * 4000
    (tmp_path / "file").write_bytes(content)
    sent: list[int] = []
    with misbehaving(always(answer(b"first"))) as server, (tmp_path / "file").open("rb") as file:
        Visitor(server).ask("PUT", FilePart(file.fileno(), 100, 900_000, sent=sent.append))

    head, _, body = server.received[1].partition(b"\r\n\r\n")
    assert head.startswith(b"PUT /x?y=z HTTP/1.1\r\n")
    assert body == content[100:900_100]
    assert sum(sent) == 900_000


def test_a_value_with_a_line_end_is_not_sent() -> None:
    """It would be another header."""
    with misbehaving(always(answer(b"first"))) as server:
        transport = Transport(QUICK)
        headers = {"Host": server.address}
        transport.exchange("GET", f"{server.url}/x", headers, None, OBJECT)
        with pytest.raises(ValueError, match="Invalid header value"):
            transport.exchange(
                "GET", f"{server.url}/x", {**headers, "A": "b\r\nc: d"}, None, OBJECT
            )
    assert len(server.requests) == 1


class TestHostile:
    """An open connection is worth no more trust than a new one."""

    @pytest.mark.parametrize("act", [hang, drip_head, drip_body, drip_chunks])
    def test_a_host_that_stops_answering_is_given_up(self, act: Answer) -> None:
        with misbehaving(Connections(act)) as server:
            visitor = Visitor(server)
            with within(2), pytest.raises(NoAnswerError):
                visitor.ask()

    @pytest.mark.parametrize(
        "head",
        [
            b"Content-Length: 101",
            b"Content-Length: 99999999999999999999999999",
            b"Transfer-Encoding: chunked",
            b"Transfer-Encoding: chunked\r\nContent-Length: 5",
            b"Connection: close",
        ],
    )
    def test_a_body_is_read_up_to_the_limit_of_its_kind(self, head: bytes) -> None:
        def act(server: Misbehaving, line: socket.socket, _number: int) -> None:
            line.sendall(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n")
            server.flood(line, b"5\r\nxxxxx\r\n" if b"chunked" in head else b"x" * 101)

        with misbehaving(Connections(act)) as server:
            visitor = Visitor(server, SMALL)
            with within(1), pytest.raises(OversizedError, match="/x is larger than 100 bytes"):
                visitor.ask()

    def test_an_endless_error_document_is_cut(self) -> None:
        def act(server: Misbehaving, line: socket.socket, _number: int) -> None:
            line.sendall(b"HTTP/1.1 403 No\r\nContent-Length: 999999999\r\n\r\n")
            server.flood(line, b"x" * 1000)

        with misbehaving(Connections(act)) as server:
            visitor = Visitor(server)
            with within(1):
                assert len(visitor.ask().body) == ERROR_BYTES

    @pytest.mark.parametrize(
        "content",
        [
            answer(b"too short", length=50),
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nabcde\r\n",
            b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500 + b"\r\n",
            b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
            b"\x00\xff\x1b[31m nonsense\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 101\r\n\r\nabcde",
            b"",
        ],
        ids=range(7),
    )
    def test_an_answer_that_is_cut_off_or_no_http_is_an_error(self, content: bytes) -> None:
        def act(_server: Misbehaving, line: socket.socket, _number: int) -> None:
            line.sendall(content)
            raise ConnectionAbortedError

        with misbehaving(Connections(act)) as server:
            visitor = Visitor(server)
            with pytest.raises(
                NoAnswerError, match=r"cut off|not valid HTTP|without an answer|reset|unmatching"
            ):
                visitor.ask()

    @pytest.mark.parametrize("is_kept", [False, True], ids=["new", "kept"])
    @pytest.mark.parametrize(
        "content",
        [
            b"HTTP/1.1 200 O",
            b"HTTP/1.1 200 OK\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Le",
            b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n",
            b"HTTP/1.1 200 OK\nContent-Length: 0\n\r",
        ],
    )
    def test_a_head_that_is_cut_off_is_an_error(self, content: bytes, is_kept: bool) -> None:
        """Otherwise an empty body would count as the object's."""

        def act(_server: Misbehaving, line: socket.socket, _number: int) -> None:
            line.sendall(content)
            raise ConnectionAbortedError

        with misbehaving(Connections(act) if is_kept else act) as server:
            visitor = Visitor(server, is_kept=is_kept)
            with pytest.raises(NoAnswerError, match="cut off"):
                visitor.ask()

    def test_further_announcements_without_an_answer_end_in_time(self) -> None:
        def act(server: Misbehaving, line: socket.socket, _number: int) -> None:
            server.flood(line, b"HTTP/1.1 100 Continue\r\n\r\n")

        with misbehaving(Connections(act)) as server:
            visitor = Visitor(server)
            with within(2), pytest.raises(NoAnswerError):
                visitor.ask()
