"""The connections to one host: one try of a request, over one that is open or over a new one."""

import socket
from collections.abc import Mapping
from dataclasses import dataclass

import urllib3

from nix_cache.cli.limits import ERROR_BYTES, LimitKind
from nix_cache.cli.s3 import wire
from nix_cache.cli.s3.body import Reader
from nix_cache.cli.s3.deadline import Deadline
from nix_cache.cli.s3.hosts import Host
from nix_cache.cli.s3.reply import Reply, oversized

_CHUNK_BYTES = 1 << 16


@dataclass(frozen=True)
class HostRequest:
    """What is sent.

    Attributes:
        method: of HTTP.
        url: with its query, encoded.
        headers: all that are needed.
        body: what is sent along.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | Reader | None

    @property
    def target(self) -> str:
        """The path and the query; empty if the request needs more than to be written down."""
        return wire.target_of(self.url, self.method, self.headers)


@dataclass
class RequestProgress:
    """How far a request is.

    Attributes:
        at: when it began, or last sent some of a file.
        sent_bytes: of a file, in the present try.
    """

    at: float
    sent_bytes: int = 0


class HostConnections:
    """A host of this run, with its connections.

    Args:
        state: whether it answers.
        manager: opens connections.
        origin: the host's scheme, name and port.

    Attributes:
        state: whether it answers.
        idle: the connections that are open and not in use.
        is_plain: whether all of its answers to ``Transport.try_all`` could be read there.
    """

    def __init__(self, state: Host, manager: urllib3.PoolManager, origin: str) -> None:
        self.state = state
        self.idle = wire.Idle(manager, origin)
        self.is_plain = True
        self._manager = manager

    def exchanged(
        self,
        deadline: Deadline,
        progress: RequestProgress,
        request: HostRequest,
        kind: LimitKind,
    ) -> Reply:
        """Send a request over a connection that is open, or over a new one, and read the answer.

        Args:
            deadline: of this try.
            progress: when the request began.
            request: what is sent.
            kind: what is expected, which limits the size.

        Raises:
            OversizedError: the body is larger than its kind may be.
        """
        connection = self.idle.take() if request.target else None
        if connection is None:
            response = self.opened(deadline, request)
            try:
                return self._read(deadline, progress, request, kind, response)
            finally:
                response.close()
        keeps = False
        try:
            with deadline.kept():
                line: socket.socket = connection.sock
                wire.send(line, request.method, request.target, request.headers, request.body)
                head = wire.received(line, request.method)
            self.state.answered()
            if isinstance(head, bytes):
                with deadline.kept():
                    answer, response = wire.other_answer(connection, request.method, head)
                reply = self._read(deadline, progress, request, kind, response)
                keeps = answer.isclosed() and not answer.will_close
                response.close()
                return reply
            deadline.set(self.state.left(progress.at))
            with deadline.kept():
                is_error = head.status >= 300
                if not is_error and head.length > kind.most_bytes:
                    raise oversized(request.url, kind)
                content = wire.rest(line, head, ERROR_BYTES if is_error else kind.most_bytes)
            keeps = head.keeps and len(content) == head.length
            return Reply(request.url, head.status, head.headers, content)
        finally:
            if not keeps:
                connection.close()
            self.idle.give_back(connection)

    def opened(self, deadline: Deadline, request: HostRequest) -> urllib3.BaseHTTPResponse:
        """Send a request over a connection of the manager's, and return the start of the answer."""
        with deadline.kept():
            response = self._manager.urlopen(
                request.method,
                request.url,
                body=request.body,
                headers=request.headers,
                redirect=False,
                retries=False,
                preload_content=False,
                decode_content=False,
            )
        self.state.answered()
        return response

    def _read(
        self,
        deadline: Deadline,
        progress: RequestProgress,
        request: HostRequest,
        kind: LimitKind,
        response: urllib3.BaseHTTPResponse,
    ) -> Reply:
        deadline.set(self.state.left(progress.at))
        with deadline.kept():
            if request.method == "HEAD":
                response.drain_conn()
                content = b""
            else:
                content = _body(response, request.url, kind)
        return Reply(request.url, response.status, response.headers, content)


def _body(response: urllib3.BaseHTTPResponse, url: str, kind: LimitKind) -> bytes:
    """Read at most what the kind allows; of an error, what fits."""
    is_error = response.status >= 300
    limit = ERROR_BYTES if is_error else kind.most_bytes
    stated = response.headers.get("Content-Length", "").lstrip("0")[:20]
    if not is_error and stated.isdecimal() and int(stated) > limit:
        raise oversized(url, kind)
    chunks, size = [], 0
    while size <= limit and (chunk := response.read(_CHUNK_BYTES)):
        chunks.append(chunk)
        size += len(chunk)
    if size > limit and not is_error:
        raise oversized(url, kind)
    return b"".join(chunks)[:limit]
