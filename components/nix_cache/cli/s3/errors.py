"""What a storage's errors mean: one table, for every command. Pure."""

import re
from enum import Enum

from nix_cache.cli.errors import ClientError

BUSY_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504, *range(520, 525)})
"""Statuses after which another try may succeed. 520 to 524 are those of a CDN without an answer."""

_BUSY_WORDS = re.compile(
    r"could not connect|couldn't connect|connection (was )?(reset|refused)|connection closed|"
    r"timed? ?-?out|timeout was reached|empty reply|recv failure|send failure|broken pipe|"
    r"transferred a partial file|server returned nothing",
    re.IGNORECASE,
)


class Meaning(Enum):
    """What an error of a storage means to the client that sent the request."""

    BUSY = "the storage may do later what it did not do now"
    UNKNOWN_KEY = "the storage does not know the access key id"
    WRONG_SECRET = "the secret does not belong to the access key id"  # noqa: S105  # a sentence
    EXPIRED = "the credential has expired"
    WRONG_CLOCK = "the clocks differ too much for signed requests"
    NO_BUCKET = "there is no such bucket"
    NO_OBJECT = "there is no such object"
    DENIED = "the credential lacks the right"
    NO_CREDENTIAL = "the credential cannot be had"
    NO_ANSWER = "no answer came in time"
    BLOCKED = "no answer can come before something between here and there is corrected"
    MALFORMED = "the answer is not that of a storage that speaks S3"
    ALTERED = "what arrived is not what was sent"
    NOT_AN_OBJECT = "the storage took an object for a request on a bucket"
    TOO_LARGE = "the body of the request is larger than something on the way accepts"
    OTHER = "none of these"


CODES = {
    "BandwidthLimitExceeded": Meaning.BUSY,
    "InternalError": Meaning.BUSY,
    "OperationAborted": Meaning.BUSY,
    "PriorRequestNotComplete": Meaning.BUSY,
    "RequestLimitExceeded": Meaning.BUSY,
    "RequestThrottled": Meaning.BUSY,
    "RequestThrottledException": Meaning.BUSY,
    "RequestTimeout": Meaning.BUSY,
    "RequestTimeoutException": Meaning.BUSY,
    "ServiceUnavailable": Meaning.BUSY,
    "ThrottledException": Meaning.BUSY,
    "Throttling": Meaning.BUSY,
    "ThrottlingException": Meaning.BUSY,
    "TooManyRequests": Meaning.BUSY,
    "TooManyRequestsException": Meaning.BUSY,
    "InvalidAccessKeyId": Meaning.UNKNOWN_KEY,
    "InvalidSecurity": Meaning.UNKNOWN_KEY,
    "SignatureDoesNotMatch": Meaning.WRONG_SECRET,
    "ExpiredToken": Meaning.EXPIRED,
    "ExpiredTokenException": Meaning.EXPIRED,
    "InvalidToken": Meaning.EXPIRED,
    "RequestTimeTooSkewed": Meaning.WRONG_CLOCK,
    "BadDigest": Meaning.ALTERED,
    "XAmzContentChecksumMismatch": Meaning.ALTERED,
    "XAmzContentSHA256Mismatch": Meaning.ALTERED,
    "MalformedXML": Meaning.NOT_AN_OBJECT,
    "EntityTooLarge": Meaning.TOO_LARGE,
    "NoSuchBucket": Meaning.NO_BUCKET,
    "NoSuchKey": Meaning.NO_OBJECT,
}
"""By the storage's own code for it. ``SlowDown`` has variants, such as ``SlowDownRead``.

Codes that mean BUSY are those after which AWS's SDKs try again, whatever the status.
"""

NOT_ACCEPTED = frozenset({Meaning.UNKNOWN_KEY, Meaning.WRONG_SECRET, Meaning.WRONG_CLOCK})
"""The credential itself was not accepted. Whether it has the right was not looked at."""


def meaning(status: int | str, code: str, text: str = "") -> Meaning:
    """Return what an error answer means.

    Args:
        status: the HTTP status; empty if there was no answer.
        code: the storage's own code, such as ``SlowDown``; empty without one.
        text: what else is known, in words.
    """
    if str(status) in map(str, BUSY_STATUSES) or code.startswith("SlowDown"):
        return Meaning.BUSY
    if found := CODES.get(code):
        return found
    if str(status) in {"401", "403"}:
        return Meaning.DENIED
    if str(status) == "413":
        return Meaning.TOO_LARGE
    if not status and _BUSY_WORDS.search(text):
        return Meaning.BUSY
    return Meaning.OTHER


class StorageError(Exception):
    """A storage did not do what a request asked for."""

    @property
    def meaning(self) -> Meaning:
        """What it means."""
        return Meaning.OTHER


class AnsweredError(StorageError):
    """The storage answered with an error.

    Attributes:
        status: the HTTP status.
        code: the storage's own code, such as ``AccessDenied``; the status without one.
    """

    def __init__(self, status: int, code: str) -> None:
        super().__init__(f"{status} {code}".strip())
        self.status = status
        self.code = code or str(status)

    @property
    def meaning(self) -> Meaning:
        """What it means, by the status and the code."""
        return meaning(self.status, self.code)


class MalformedAnswerError(StorageError):
    """An answer with a status of success is not what S3 answers, such as a web page."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the answer is not that of an S3 storage ({reason})")

    @property
    def meaning(self) -> Meaning:
        """It is always the same."""
        return Meaning.MALFORMED


class CredentialError(StorageError):
    """A credential cannot be had, so no request was sent. The message is the reason.

    Attributes:
        fix: what to do about it.
    """

    def __init__(self, reason: str, fix: str = "correct that, then run the command again") -> None:
        super().__init__(reason)
        self.fix = fix

    @property
    def meaning(self) -> Meaning:
        """It is always the same."""
        return Meaning.NO_CREDENTIAL


class IssuerError(CredentialError):
    """The service that issues a credential, such as STS, answered with an error.

    It says nothing of the object that was asked for.

    Attributes:
        status: the HTTP status.
        code: the service's own code, such as ``AccessDenied``.
    """

    def __init__(self, status: int, code: str, operation: str, fix: str) -> None:
        answer = f"{status} {code}".strip()
        super().__init__(f"the service that issues it answers {answer} to {operation}", fix)
        self.status = status
        self.code = code


class UnusableKeyError(StorageError):
    """A key has a segment of dots, which clients, proxies and servers resolve differently."""

    def __init__(self, key: str) -> None:
        super().__init__(f"the key {key[:200]!r} has a segment '.' or '..'")


class BusyError(ClientError):
    """The storage did not do what was asked, and may do so a little later."""


class UnansweredError(BusyError):
    """The storage cannot be used now, so no other request should be tried.

    It gave no answer for too long, or something between here and there answers in its place.
    """


class RefusedError(ClientError):
    """The storage refuses this credential, whatever is asked."""


class NoCredentialError(ClientError):
    """A credential cannot be had, so that nothing can be done, now or a little later."""
