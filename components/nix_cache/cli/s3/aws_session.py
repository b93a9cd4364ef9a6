"""Where botocore finds credentials, within the client's limits.

botocore knows profiles, the environment, roles and web identities. What it asks a service for, such
as a token, goes through the client's transport. Requests to the storage do not: see ``client``.
"""

import io
from collections.abc import Iterator
from typing import Any, cast

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.credentials import Credentials, ReadOnlyCredentials
from botocore.exceptions import BotoCoreError, HTTPClientError
from botocore.exceptions import ClientError as ServiceError
from botocore.parsers import ResponseParserError
from botocore.session import Session

from nix_cache.cli.limits import OBJECT
from nix_cache.cli.s3.errors import CredentialError, IssuerError
from nix_cache.cli.s3.hosts import NoAnswerError
from nix_cache.cli.s3.reply import Reply
from nix_cache.cli.s3.transport import Transport

_MALFORMED = (
    ResponseParserError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What botocore raises over an answer that is not that of the service it asked."""


class _UnansweredError(HTTPClientError):
    """A service did not answer."""

    fmt = "{error}"

    def __init__(self, failure: NoAnswerError) -> None:
        super().__init__(error=failure)
        self.failure = failure


def bounded_session(transport: Transport | None = None) -> Session:
    """Return a session whose clients send their requests by a transport.

    Args:
        transport: the run's; a separate one if None.
    """
    chosen = transport or Transport()

    def send(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        body = request.body
        content = body if isinstance(body, bytes | None) else _content(body)
        headers = {name: _text(value) for name, value in request.headers.items()}
        try:
            reply = chosen.exchange(request.method, request.url, headers, content, OBJECT)
        except NoAnswerError as failure:
            raise _UnansweredError(failure) from failure
        reply.require_no_redirect()
        return AWSResponse(request.url, reply.status, cast("Any", reply.headers), _Body(reply))

    session = Session()
    # botocore takes a handler's first answer in place of its response; its types do not say so.
    session.register("before-send", cast("Any", send))
    return session


def frozen(credentials: Credentials) -> ReadOnlyCredentials:
    """Return the parts of a credential as they are now, all from one renewal.

    Raises:
        IssuerError: the service that issues the credential refused.
        NoAnswerError: it did not answer.
        CredentialError: the credential cannot be had for another reason.
    """
    try:
        return credentials.get_frozen_credentials()
    except _UnansweredError as unanswered:
        raise unanswered.failure from None
    except ServiceError as refusal:
        status = refusal.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        raise IssuerError(status, str(refusal.response["Error"].get("Code", ""))) from None
    except (BotoCoreError, *_MALFORMED) as failure:
        raise CredentialError(" ".join(str(failure).split()) or type(failure).__name__) from None


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
