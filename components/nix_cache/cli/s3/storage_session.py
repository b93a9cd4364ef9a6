"""botocore sessions whose requests keep the client's limits, as all clients made from them do."""

import io
from collections.abc import Iterator
from typing import Any, cast
from urllib.parse import unquote, urlsplit

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import HTTPClientError
from botocore.session import Session

from nix_cache.cli.limits import OBJECT, PAGE, Kind, body_limit
from nix_cache.cli.s3.hosts import NoAnswerError
from nix_cache.cli.s3.storage_answers import AnswerParserFactory
from nix_cache.cli.s3.transport import Reply, Transport

_READ_OBJECT = "GetObject"


class StorageUnansweredError(HTTPClientError):
    """A storage did not answer.

    Attributes:
        given_up: whether it gets no further request in this run.
    """

    fmt = "{error}"

    def __init__(self, failure: NoAnswerError) -> None:
        super().__init__(error=failure)
        self.given_up = failure.given_up


def bounded_session(transport: Transport | None = None) -> Session:
    """Return a session whose clients send their requests by a transport.

    Args:
        transport: the run's; one of its own if None.

    Raises:
        StorageUnansweredError: each request does, where no answer came in time.
        OversizedError: likewise, where a body is larger than its kind may be.
        RedirectedError: likewise, where the endpoint redirects.
        MalformedAnswerError: likewise, where the answer is not that of an S3 storage.
    """
    session = Session()
    limit(session, transport or Transport())
    return session


def limit(session: Session, transport: Transport) -> None:
    """Let the clients that a session makes from now on send their requests by a transport."""

    def send(request: AWSPreparedRequest, event_name: str, **_: Any) -> AWSResponse:
        operation = event_name.rpartition(".")[2]
        body = request.body
        content = body if isinstance(body, bytes | None) else _content(body)
        headers = {name: _text(value) for name, value in request.headers.items()}
        kind = _kind(operation, request.url)
        try:
            reply = transport.exchange(request.method, request.url, headers, content, kind)
        except NoAnswerError as failure:
            raise StorageUnansweredError(failure) from failure
        reply.require_no_redirect()
        return AWSResponse(request.url, reply.status, cast("Any", reply.headers), _Body(reply))

    session.register_component("response_parser_factory", AnswerParserFactory())
    # botocore takes the first answer of a handler in the place of its own; its types do not say so.
    session.register("before-send", cast("Any", send))


def _kind(operation: str, url: str) -> Kind:
    if operation == _READ_OBJECT:
        return body_limit(unquote(urlsplit(url).path).rpartition("/")[2])
    return PAGE if operation.startswith("List") else OBJECT


def _content(body: Any) -> bytes:
    content: bytes | str = body.read() if hasattr(body, "read") else body
    return content.encode() if isinstance(content, str) else bytes(content)


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


class _Body(io.BytesIO):
    """A body that was read already, as botocore expects it."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.body)

    def stream(self) -> Iterator[bytes]:
        yield self.read()
