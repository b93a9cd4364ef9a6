"""What a storage's refusal means to one who pushes, and whether it may pass by itself. Pure."""

import re
from dataclasses import dataclass

from nix_cache.cli.errors import ClientError

_CODE = re.compile(r"<Code>([A-Za-z0-9]+)</Code>")
_STATUS = re.compile(r"\bHTTP error (\d{3})\b")
_BODY = re.compile(r" response body: <.*>")
_LONGEST = 300
_BUSY_STATUSES = frozenset({"408", "429", "500", "502", "503", "504"})
_BUSY_CODES = frozenset(
    {"InternalError", "RequestTimeout", "ServiceUnavailable", "SlowDown", "TooManyRequests"}
)
_SILENT_WORDS = re.compile(r"timed? ?-?out|timeout was reached", re.IGNORECASE)
_BUSY_WORDS = re.compile(
    r"could not connect|couldn't connect|connection (was )?(reset|refused)|connection closed|"
    r"timed? ?-?out|timeout was reached|empty reply|recv failure|send failure|broken pipe|"
    r"transferred a partial file|server returned nothing",
    re.IGNORECASE,
)


class BusyError(ClientError):
    """The server did not do what was asked, and may do so a little later."""


class UnansweredError(BusyError):
    """The server gave no answer for so long that no other request should be tried now."""


class RefusedError(ClientError):
    """The storage refuses this writer, whatever is pushed."""


@dataclass(frozen=True)
class Who:
    """Who was refused, for messages.

    Attributes:
        writer: the writer's name.
        cache: the cache's name.
        bucket: the bucket's.
        origin: where the credential comes from.
    """

    writer: str
    cache: str
    bucket: str
    origin: str

    @property
    def again(self) -> str:
        """The command that brings a new credential."""
        return f"run `nix-cache use` with the stack's secrets and --as {self.writer}"


def is_busy(status: str, code: str, text: str = "") -> bool:
    """Whether an answer, or the lack of one, may be another a little later.

    Args:
        status: of HTTP; empty if nothing was answered.
        code: the storage's own word for it, such as ``SlowDown``.
        text: what else is known, in words.
    """
    return (
        status in _BUSY_STATUSES
        or code.startswith("SlowDown")
        or code in _BUSY_CODES
        or (not status and bool(_BUSY_WORDS.search(text)))
    )


def innermost(failure: Exception) -> str:
    """Why a storage did not answer, in as few words as there are.

    Args:
        failure: as botocore raises it.
    """
    inner = getattr(failure, "kwargs", {}).get("error")
    text = str(inner if inner is not None else failure)
    return text.rpartition(": ")[2].strip("')( ") or type(failure).__name__


def explain(status: str, code: str, who: Who) -> RefusedError | None:
    """The reason why a storage refused; None if its answer says nothing that is known here.

    Args:
        status: of HTTP.
        code: the storage's own word for it, such as ``AccessDenied``.
        who: was refused.
    """
    match code:
        case "InvalidAccessKeyId":
            return RefusedError(
                f"the storage does not know the credential of {who.writer} ({who.origin}): the "
                "writer was removed, or got a new one",
                f"ask the cache's owner; if there is a new one, {who.again}",
            )
        case "SignatureDoesNotMatch":
            return RefusedError(
                f"the secret of {who.writer} ({who.origin}) is not the right one",
                who.again,
            )
        case "RequestTimeTooSkewed":
            return RefusedError(
                "the clock of this machine differs from the storage's by more than 15 minutes",
                "set it right, for example with `timedatectl set-ntp true`",
            )
        case "ExpiredToken" | "InvalidToken" | "ExpiredTokenException":
            return RefusedError(
                f"the credential of {who.writer} ({who.origin}) has run out", "get a new one"
            )
        case "NoSuchBucket":
            return RefusedError(
                f"the storage has no bucket {who.bucket}", "run `pulumi up --refresh` on the stack"
            )
        case "NoSuchKey":
            return RefusedError(
                f"the bucket {who.bucket} has no nix-cache-info",
                "run `pulumi up --refresh` on the stack",
            )
    if status in {"401", "403"}:
        return RefusedError(
            f"the credential of {who.writer} ({who.origin}) may not write to the bucket "
            f"{who.bucket}" + (f": {code}" if code else ""),
            f"look with `nix-cache doctor {who.cache}`; the writer's rights come from the stack",
        )
    return None


def from_nix(message: str, who: Who) -> ClientError:
    """What Nix's error message means.

    Args:
        message: the error, without colours.
        who: was pushing.
    """
    code, status = _found(_CODE, message), _found(_STATUS, message)
    first = short(message.rpartition("error:")[2]) or "it did not say why"
    if not status and _SILENT_WORDS.search(message):
        return UnansweredError(f"the storage stopped answering: {first}", "try again later")
    if is_busy(status, code, message):
        return BusyError(f"the storage did not take it: {first}", "try again later")
    return explain(status, code, who) or ClientError(
        f"nix copy failed: {first}",
        f"look with `nix-cache doctor {who.cache}`",
    )


def short(message: str) -> str:
    """What Nix says, in one line, with the storage's code in the place of its XML."""
    code = _found(_CODE, message)
    said = _BODY.sub(f" {code}" if code else "", " ".join(message.split()))
    return said if len(said) <= _LONGEST else f"{said[:_LONGEST]}…"


def _found(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found[1] if found else ""
