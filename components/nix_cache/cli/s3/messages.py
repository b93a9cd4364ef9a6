"""The errors of a storage in words: the problem and the fix, for writers and for owners. Pure."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from nix_cache.cli.errors import ClientError
from nix_cache.cli.s3.errors import (
    AnsweredError,
    BusyError,
    CredentialError,
    Meaning,
    NoCredentialError,
    RefusedError,
    StorageError,
    UnansweredError,
)
from nix_cache.cli.s3.hosts import NoAnswerError

_Text = tuple[str, str]
"""A problem and its fix, with names of a requester's values in braces."""

_CLOCK: _Text = (
    "the clock of this machine differs from the storage's by more than 15 minutes",
    "set it right, for example with `timedatectl set-ntp true`",
)
_REFRESH = "run `nix-cache stack repair` in the folder of the stack's program"
_LOOK = "look with `nix-cache doctor {cache}`"

_UPLOADS: Mapping[Meaning, _Text] = {
    Meaning.ALTERED: (
        "something between here and {endpoint} changed an upload on its way ({answer}); it was not "
        "stored",
        "upload without the tunnel or proxy; with cloudflared, try `--protocol http2`",
    ),
    Meaning.NOT_AN_OBJECT: (
        "the storage at {endpoint} took an object for a request on a bucket ({answer})",
        "correct the endpoint: it must not have the bucket's name, in its host or its path",
    ),
}
"""What happens to uploads of writers and owners alike."""

_WRITER: Mapping[Meaning, _Text] = {
    Meaning.BUSY: ("the storage at {endpoint} is busy ({answer})", "try again later"),
    Meaning.UNKNOWN_KEY: (
        "the storage does not know the credential of {name} ({origin}): the writer was removed, or "
        "got a new one",
        "ask the cache's owner; if there is a new one, {again}",
    ),
    Meaning.WRONG_SECRET: ("the secret of {name} ({origin}) is not the right one", "{again}"),
    Meaning.EXPIRED: ("the credential of {name} ({origin}) has run out", "get a new one"),
    Meaning.WRONG_CLOCK: _CLOCK,
    Meaning.NO_BUCKET: ("the storage has no bucket {bucket}", _REFRESH),
    Meaning.NO_OBJECT: ("the bucket {bucket} has no nix-cache-info", _REFRESH),
    Meaning.DENIED: (
        "the credential of {name} ({origin}) may not write to the bucket {bucket}{reason}",
        f"{_LOOK}; the writer's rights come from the stack",
    ),
    Meaning.NO_CREDENTIAL: (
        "the credential of {name} ({origin}) cannot be had: {answer}",
        "{fix}",
    ),
    Meaning.NO_ANSWER: (
        "the storage at {endpoint} does not answer: {answer}",
        "see that it runs and can be reached from here, then try again",
    ),
    Meaning.BLOCKED: ("{endpoint} cannot be reached: {answer}", "correct that, then try again"),
    Meaning.TOO_LARGE: (
        "the storage at {endpoint}, or a proxy in front of it, refuses a body of this size "
        "({answer})",
        "push with smaller parts, such as --part-size 8, set partSizeMib of the stack for all "
        "writers, or raise the limit of the proxy",
    ),
    **_UPLOADS,
    Meaning.MALFORMED: ("{endpoint} is not the storage of the cache: {answer}", _LOOK),
    Meaning.OTHER: ("the storage at {endpoint} answers {answer}", _LOOK),
}
_AGAIN = "run it again when it answers: what is left is whole"
_OWNER: Mapping[Meaning, _Text] = {
    Meaning.BUSY: ("the storage at {endpoint} is busy ({answer})", _AGAIN),
    Meaning.UNKNOWN_KEY: (
        "the storage at {endpoint} does not know the key of the profile {name}",
        "name a profile of the bucket's owner",
    ),
    Meaning.WRONG_SECRET: (
        "the secret of the profile {name} is not the right one for {endpoint}",
        "correct it in the credentials file",
    ),
    Meaning.WRONG_CLOCK: _CLOCK,
    Meaning.NO_BUCKET: (
        "the storage at {endpoint} has no bucket {bucket}",
        f"{_REFRESH}, or name the right cache",
    ),
    Meaning.DENIED: (
        "the profile {name} may not {doing} in the bucket {bucket} ({code})",
        "name a profile of the bucket's owner",
    ),
    Meaning.NO_CREDENTIAL: (
        "the credential of the profile {name} cannot be had: {answer}",
        "{fix}",
    ),
    Meaning.NO_ANSWER: ("the storage at {endpoint} does not answer: {answer}", _AGAIN),
    Meaning.BLOCKED: ("{endpoint} cannot be reached: {answer}", "correct that, then run it again"),
    Meaning.TOO_LARGE: (
        "the storage at {endpoint}, or a proxy in front of it, refuses a body of this size "
        "({answer})",
        "raise the limit of the proxy",
    ),
    **_UPLOADS,
    Meaning.MALFORMED: (
        "the storage at {endpoint} gives a malformed answer, asked to {doing}; nothing more was "
        "removed",
        "check the endpoint: what answers there does not speak S3",
    ),
    Meaning.OTHER: (
        "the storage at {endpoint} answers {answer}, asked to {doing}",
        "look with `nix-cache doctor`",
    ),
}

_REFUSED = frozenset(Meaning) - {
    *(Meaning.BUSY, Meaning.NO_ANSWER, Meaning.BLOCKED, Meaning.MALFORMED, Meaning.TOO_LARGE),
    *(Meaning.ALTERED, Meaning.NOT_AN_OBJECT, Meaning.OTHER),
}


@dataclass(frozen=True)
class Requester:
    """Who sends requests, for messages.

    Attributes:
        name: the writer's name, or the owner's profile.
        endpoint: the storage's.
        bucket: the bucket's name.
        cache: the cache's name; empty for an owner.
        origin: where a writer's credential comes from; empty for an owner.
    """

    name: str
    endpoint: str
    bucket: str
    cache: str = ""
    origin: str = ""

    @property
    def is_writer(self) -> bool:
        """Whether this is a writer, and not the bucket's owner."""
        return bool(self.origin)

    @property
    def again(self) -> str:
        """The command that brings a writer a new credential."""
        words = ["nix-cache", "use", "STACK", "--name", self.cache, "--as", self.name]
        return f"run `{shlex.join(words)}` with the stack or its outputs with --show-secrets"


def explain(failure: StorageError, requester: Requester, doing: str = "") -> ClientError:
    """Return the error to raise for a failed request.

    Args:
        failure: of the request.
        requester: who sent it.
        doing: what the request was to do, as in ``list``.
    """
    code = failure.code if isinstance(failure, AnsweredError) else ""
    if not isinstance(failure, NoAnswerError):
        fix = failure.fix if isinstance(failure, CredentialError) else ""
        return explained(failure.meaning, requester, str(failure), code, doing, fix=fix)
    found = explained(
        failure.meaning, requester, str(failure), code, doing, given_up=failure.given_up
    )
    where = requester.endpoint
    if failure.cause.may_pass:
        where = f"the storage at {where}"
    return type(found)(failure.problem(where), failure.cause.fix or found.fix)


def explained(
    found: Meaning,
    requester: Requester,
    answer: str,
    code: str = "",
    doing: str = "",
    *,
    given_up: bool = False,
    fix: str = "",
) -> ClientError:
    """Return the error to raise for what a storage's error means.

    Args:
        found: the meaning.
        requester: who sent the request.
        answer: what came back, in words.
        code: the storage's own code; empty without one.
        doing: what the request was to do, as in ``list``.
        given_up: whether the storage gets no further request.
        fix: what to do about a credential that cannot be had.
    """
    texts = _WRITER if requester.is_writer else _OWNER
    problem, advice = texts.get(found) or texts[Meaning.OTHER]
    values = {
        "name": requester.name,
        "endpoint": requester.endpoint,
        "bucket": requester.bucket,
        "cache": requester.cache,
        "origin": requester.origin,
        "again": requester.again,
        "answer": answer,
        "code": code,
        "doing": doing,
        "reason": f": {code}" if code else "",
        "fix": fix,
    }
    kind = ClientError
    if found is Meaning.NO_CREDENTIAL:
        kind = NoCredentialError
    elif found in _REFUSED:
        kind = RefusedError
    elif found is Meaning.BLOCKED or (found is Meaning.NO_ANSWER and given_up):
        kind = UnansweredError
    elif found in {Meaning.BUSY, Meaning.NO_ANSWER}:
        kind = BusyError
    return kind(problem.format(**values), advice.format(**values))
