"""One small request over a connection that is open: what urllib3 does, in a fifth of the time.

urllib3 opens the connections and sends whatever is not plain. Here an answer is parsed if it is as
all storages write them; any other one is left to ``http.client``, byte for byte.
"""

import http.client
import io
import queue
import re
import socket
from collections.abc import Iterator, Mapping
from typing import IO, Any, NamedTuple, Protocol, TypeVar, overload

import urllib3
from urllib3.connection import HTTPConnection
from urllib3.util.connection import is_connection_dropped

_VERSION: str = urllib3.__version__  # type: ignore[attr-defined]  # __all__ lacks it
_USER_AGENT = f"python-urllib3/{_VERSION}"
_PIECE_BYTES = 1 << 18
_RECEIVED_BYTES = 1 << 16
_LONGEST_HEAD_BYTES = 1 << 15
_PLAIN_END = b"\r\n\r\n"
_END = re.compile(rb"\n\r?\n")
"""Of a head, as ``http.client`` reads it: lines may end with LF alone."""

_TARGET = re.compile(r"/[!\"$-~]*")
"""A path and a query, encoded. One with a fragment does not match."""

_REQUEST_VALUE = re.compile(r"[\x20-\x7e]*")
_HEAD = re.compile(
    r"HTTP/1\.1 ([2-5][0-9][0-9])(?: [\t\x20-\x7e\x80-\xff]*)?"
    r"((?:\r\n[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*)*)"
)
_LENGTH = re.compile(r"[0-9]{1,18}")
_WITHOUT_BODY = frozenset({204, 304})

_Default = TypeVar("_Default")


class Body(Protocol):
    """What is sent in pieces."""

    def read(self, count: int = -1) -> bytes:
        """Return the next bytes; none at the end."""


class Headers(Mapping[str, str]):
    """Headers by name, in any letter case. Several of one name are joined by commas.

    Few of them are ever looked at, so that they are looked for in the text.

    Args:
        text: of a head, in Latin-1: before each name, CR and LF; after it, a colon and a value.
    """

    __slots__ = ("_lower", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._lower = text.lower()

    def __getitem__(self, name: str) -> str:
        value = self.get(name)
        if value is None:
            raise KeyError(name)
        return value

    @overload
    def get(self, name: str, /) -> str | None: ...
    @overload
    def get(self, name: str, /, default: str | _Default) -> str | _Default: ...
    def get(self, name: str, /, default: object = None) -> object:
        """Return a header, or something else if it is missing."""
        mark = f"\r\n{name.lower()}:"
        start = self._lower.find(mark)
        if start < 0:
            return default
        values = []
        while start >= 0:
            end = self._text.find("\r\n", start + len(mark))
            end = len(self._text) if end < 0 else end
            values.append(self._text[start + len(mark) : end].strip(" \t"))
            start = self._lower.find(mark, end)
        return ", ".join(values)

    def __iter__(self) -> Iterator[str]:
        names = (line.partition(":")[0] for line in self._lower.split("\r\n")[1:])
        return iter(dict.fromkeys(names))

    def __len__(self) -> int:
        return len(list(iter(self)))


class Head(NamedTuple):
    """The start of an answer.

    Attributes:
        status: the HTTP status.
        headers: its headers.
        length: of the body in bytes.
        keeps: whether the connection may be used again when the body was read.
        start: what was received of the body.
    """

    status: int
    headers: Headers
    length: int
    keeps: bool
    start: bytes


class Idle:
    """The open connections to a host that no request uses.

    Args:
        manager: the connections.
        origin: the host's scheme, name and port.
    """

    def __init__(self, manager: urllib3.PoolManager, origin: str) -> None:
        self.origin = origin
        self._manager = manager
        self._pool: urllib3.HTTPConnectionPool | None = None

    def take(self) -> HTTPConnection | None:
        """Return one; None if there is none, or if a proxy wants to see whole requests.

        Raises:
            LocationValueError: the URL names no host.
        """
        if self._pool is None:
            self._pool = self._manager.connection_from_url(self.origin)
        pool = self._pool
        if pool.pool is None or (pool.proxy is not None and pool.scheme == "http"):
            return None
        try:
            found = pool.pool.get(block=False)
        except queue.Empty:
            return None
        if found is None or is_connection_dropped(found) or found.sock is None:
            if found is not None:
                found.close()
            self.give_back(found)
            return None
        assert isinstance(found, HTTPConnection)
        return found

    def give_back(self, connection: HTTPConnection | None) -> None:
        """Keep a connection for the next request. A closed one is opened again by that."""
        pool = self._pool
        try:
            assert pool is not None  # for the type checker
            assert pool.pool is not None
            pool.pool.put(connection, block=False)
        except queue.Full:
            if connection is not None:
                connection.close()


def target_of(url: str, method: str, headers: Mapping[str, str]) -> str:
    """Return the path and the query of a request; empty if it cannot be written down as it is.

    Args:
        url: with its query, encoded.
        method: of HTTP.
        headers: all of them.
    """
    _, _, rest = url.partition("://")
    target = rest[rest.find("/") :] if "/" in rest else ""
    is_plain = (
        method.isalpha()
        and _TARGET.fullmatch(target) is not None
        and "Host" in headers
        and all(map(_REQUEST_VALUE.fullmatch, headers.values()))
    )
    return target if is_plain else ""


def written(method: str, target: str, headers: Mapping[str, str]) -> bytes:
    """Return the head of a request.

    Args:
        method: of HTTP.
        target: the path and the query, encoded.
        headers: all of them, with ``Host``, and with ``Content-Length`` if there is a body.
    """
    fields = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    return (
        f"{method} {target} HTTP/1.1\r\nAccept-Encoding: identity\r\n"
        f"User-Agent: {_USER_AGENT}\r\n{fields}\r\n"
    ).encode("ascii")


def send(
    line: socket.socket,
    method: str,
    target: str,
    headers: Mapping[str, str],
    body: bytes | Body | None,
) -> None:
    """Send a request. A server that closes the connection meanwhile may have answered before.

    Args:
        line: the connection's socket.
        method: of HTTP.
        target: the path and the query, encoded.
        headers: all of them, with ``Host``, and with ``Content-Length`` if there is a body.
        body: what is sent along.
    """
    head = written(method, target, headers)
    try:
        if body is None or isinstance(body, bytes):
            line.sendall(head + body if body else head)
            return
        line.sendall(head)
        while piece := body.read(_PIECE_BYTES):
            line.sendall(piece)
    except (BrokenPipeError, ConnectionResetError):
        return


def received(line: socket.socket, method: str) -> Head | bytes:
    """Receive the start of an answer.

    Returns:
        the start, or if it is not plain what was received of it.

    Raises:
        RemoteDisconnected: there was none.
        IncompleteRead: it was cut off.
    """
    content = b""
    while (head := parsed(content, method)) is None:
        piece = line.recv(_RECEIVED_BYTES)
        if not piece:
            raise cut_off(content)
        content += piece
    return head


def parsed(content: bytes, method: str) -> Head | bytes | None:
    """Read the start of an answer.

    Args:
        content: what was received so far.
        method: of the request.

    Returns:
        the start; what was received if it is not plain; None if more has to be received.
    """
    end = _END.search(content)
    if end is None:
        return content if len(content) > _LONGEST_HEAD_BYTES else None
    if end.end() > _LONGEST_HEAD_BYTES or not content.endswith(_PLAIN_END, 0, end.end()):
        return content
    text = content[: end.end() - len(_PLAIN_END)].decode("latin-1")
    return _head(text, content[end.end() :], method) or content


def cut_off(content: bytes) -> http.client.HTTPException:
    """Return the error that a connection was closed before the start of an answer was complete.

    Args:
        content: what was received.
    """
    if content:
        return http.client.IncompleteRead(content)
    return http.client.RemoteDisconnected("Remote end closed connection without response")


def _head(text: str, start: bytes, method: str) -> Head | None:
    """Return the parts of a head; None if it is not plain."""
    found = _HEAD.fullmatch(text)
    if found is None:
        return None
    headers = Headers(found[2])
    status = int(found[1])
    stated = headers.get("content-length", "")
    if headers.get("transfer-encoding") is not None:
        return None
    if method == "HEAD" or status in _WITHOUT_BODY:
        stated = "0"
    if not _LENGTH.fullmatch(stated):
        return None
    length = int(stated)
    connection = headers.get("connection", "keep-alive").lower()
    keeps = connection == "keep-alive" and len(start) <= length
    return Head(status, headers, length, keeps, start[:length])


def rest(line: socket.socket, head: Head, most_bytes: int) -> bytes:
    """Receive a body, or of a longer one the first bytes.

    Raises:
        IncompleteRead: it was cut off.
    """
    wanted = min(head.length, most_bytes)
    if len(head.start) >= wanted:
        return head.start[:wanted]
    pieces, size = [head.start], len(head.start)
    while size < wanted:
        piece = line.recv(min(_RECEIVED_BYTES, wanted - size))
        if not piece:
            raise http.client.IncompleteRead(b"", wanted - size)
        pieces.append(piece)
        size += len(piece)
    return b"".join(pieces)


def other_answer(
    connection: HTTPConnection, method: str, content: bytes
) -> tuple[http.client.HTTPResponse, urllib3.BaseHTTPResponse]:
    """Read an answer that is not plain.

    Args:
        connection: the one over which it comes.
        method: of the request.
        content: what was received of it.

    Returns:
        the answer, and the same for reading it.
    """
    source: Any = _Replayed(connection.sock, content)
    response = connection.response_class(source, method=method)
    response.begin()
    return response, urllib3.HTTPResponse(
        body=response,
        headers=urllib3.HTTPHeaderDict(response.headers.items()),
        status=response.status,
        version=response.version,
        reason=response.reason,
        preload_content=False,
        decode_content=False,
        original_response=response,
        request_method=method,
    )


class _Replayed(io.RawIOBase):
    """A socket, after what was received of it.

    Args:
        line: the socket.
        content: what was received.
    """

    def __init__(self, line: socket.socket, content: bytes) -> None:
        self._line = line
        self._content = content

    def makefile(self, _mode: str) -> IO[bytes]:
        """Return it as a file, as ``http.client`` wants a socket to do."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        """Return whether it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read some bytes."""
        if not self._content:
            return self._line.recv_into(buffer)
        count = min(len(buffer), len(self._content))
        buffer[:count], self._content = self._content[:count], self._content[count:]
        return count
