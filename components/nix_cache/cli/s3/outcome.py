"""What came of a request to a bucket: an answer, or the error that it is."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from nix_cache.cli.s3.errors import NOT_ACCEPTED, AnsweredError, MalformedAnswerError, meaning
from nix_cache.cli.s3.foreign import require_own
from nix_cache.cli.s3.reply import Reply
from nix_cache.rights.client import error_code

_ERROR = re.compile(rb"\s*(?:<\?xml[^>]*>\s*)?<Error[\s>]")
_PAGES = frozenset({"index.html"})
"""Objects of a cache that are web pages."""


class Answer(NamedTuple):
    """What came back.

    Attributes:
        status: the HTTP status.
        headers: by name; any spelling of it.
        body: what came with it, with its Content-Encoding; of an error, cut off.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The storage's own word for an error, such as ``AccessDenied``; empty without one."""
        return error_code(self.body)

    @property
    def is_stranger(self) -> bool:
        """Whether the credential itself was not accepted."""
        return meaning(self.status, self.code) in NOT_ACCEPTED

    @property
    def is_refusal(self) -> bool:
        """Whether it is a matter of rights."""
        return self.status in {401, 403}

    def __str__(self) -> str:
        return f"{self.status} {self.code}".strip()


def successful(reply: Reply, method: str, key: str, *, may_be_page: bool) -> Answer:
    """Return an answer if it is a success.

    Args:
        reply: what was answered.
        method: of the request.
        key: the object; empty for the bucket itself.
        may_be_page: whether a web page is a success, too.

    Raises:
        AnsweredError: it is an error.
        ForeignAnswerError: something else than the storage answered.
    """
    require_own(reply, method, may_be_page=may_be_page or key in _PAGES)
    answer = Answer(reply.status, reply.headers, reply.body)
    if reply.status >= 300:
        raise AnsweredError(reply.status, answer.code)
    is_document = not key or method == "POST"
    if is_document and _ERROR.match(reply.body):  # S3 may begin to answer before it has failed
        raise AnsweredError(500, answer.code)
    return answer


def whole(answer: Answer) -> Answer:
    """Return an answer whose length is stated as a number, or not at all.

    Raises:
        MalformedAnswerError: it is stated otherwise.
    """
    if not answer.headers.get("Content-Length", "0").isdecimal():
        raise MalformedAnswerError("Content-Length is not a number")
    return answer
