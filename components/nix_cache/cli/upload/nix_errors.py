"""What the errors of `nix copy` mean to one who pushes. Pure."""

import re

from nix_cache.cli.errors import ClientError
from nix_cache.cli.s3.errors import BusyError, Meaning, UnansweredError, meaning
from nix_cache.cli.s3.messages import Requester, told

_CODE = re.compile(r"<Code>([A-Za-z0-9]+)</Code>")
_STATUS = re.compile(r"\bHTTP error (\d{3})\b")
_BODY = re.compile(r" response body: <.*>")
_LONGEST = 300
_SILENT_WORDS = re.compile(r"timed? ?-?out|timeout was reached", re.IGNORECASE)


def from_nix(message: str, requester: Requester) -> ClientError:
    """Return the error to raise for an error message of Nix.

    Args:
        message: the error, without colours.
        requester: the writer who was pushing.
    """
    code, status = _found(_CODE, message), _found(_STATUS, message)
    first = short(message.rpartition("error:")[2]) or "it did not say why"
    if not status and _SILENT_WORDS.search(message):
        return UnansweredError(f"the storage stopped answering: {first}", "try again later")
    match meaning(status, code, message):
        case Meaning.BUSY:
            return BusyError(f"the storage did not take it: {first}", "try again later")
        case Meaning.OTHER:
            return ClientError(
                f"nix copy failed: {first}", f"look with `nix-cache doctor {requester.cache}`"
            )
        case found:
            return told(found, requester, f"{status} {code}".strip(), code)


def short(message: str) -> str:
    """What Nix says, in one line, with the storage's code in the place of its XML."""
    code = _found(_CODE, message)
    said = _BODY.sub(f" {code}" if code else "", " ".join(message.split()))
    return said if len(said) <= _LONGEST else f"{said[:_LONGEST]}…"


def _found(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found[1] if found else ""
