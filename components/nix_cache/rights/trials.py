"""Trying what a user may do, without doing it.

A put is tried with a checksum that its body does not have. Storage checks the right first and
the body last: without the right a put is refused, with it the response is ``BadDigest``. Nothing is
stored either way. A delete is tried on a name that nothing has.
"""

import base64
import hashlib
import re
import secrets
from dataclasses import dataclass
from enum import StrEnum

from nix_cache.iam.access import COLLECTION_KEYS, PIN_KEYS, ROOT_RECORD_KEYS, WRITABLE_KEYS
from nix_cache.iam.lifecycle import NIX32
from nix_cache.rights.client import Client, Response, is_page_content

_WRONG_CHECKSUM = base64.b64encode(hashlib.md5(secrets.token_bytes(32)).digest()).decode()  # noqa: S324
CHECKSUM_CODES = frozenset(
    {"BadDigest", "XAmzContentChecksumMismatch", "XAmzContentSHA256Mismatch"}
)
_NOT_OFFERED = frozenset({405, 501})
_UNSIGNED_CODES = frozenset(
    {
        "AuthorizationHeaderMalformed",
        "InvalidRequest",
        "MissingAuthenticationToken",
        "MissingSecurityElement",
        "MissingSecurityHeader",
    }
)
"""With status 400: how some storages refuse a request because it is not signed."""
_NO_AUTHORIZATION = b"<Message>Authorization</Message>"
"""With status 400: how Cloudflare R2 does, under the code ``InvalidArgument``."""

NO_BUCKET = "NoSuchBucket"
_UPLOAD_ID = re.compile(rb"<UploadId>([^<]+)</UploadId>")

LIST_QUERIES = {
    "objects": "list-type=2&max-keys=1",
    "objects, the old way": "max-keys=1",
    "versions": "versions&max-keys=1",
    "unfinished uploads": "uploads&max-uploads=1",
    "the access list": "acl",
    "the bucket policy": "policy",
}
"""What is a list of what is in the bucket, or of who may do what, and how it is asked for."""


class Outcome(StrEnum):
    """What came of a try."""

    ALLOWED = "allowed"
    REFUSED = "refused"
    UNCLEAR = "unclear"


@dataclass(frozen=True)
class Trial:
    """One try.

    Attributes:
        outcome: what came of it.
        answer: what the storage said.
        left: the object or upload that it left in the bucket; empty if none, as it should be.
    """

    outcome: Outcome
    answer: str
    left: str = ""


def random_hash() -> str:
    """Return a store path's hash that no store path has."""
    return "".join(secrets.choice(NIX32) for _ in range(32))


def nix_keys() -> tuple[str, ...]:
    """Return a key of each kind that Nix writes, with a name that nothing has."""
    name = f"doctor-{secrets.token_hex(16)}"
    return tuple(
        pattern.replace("?" * 32, random_hash()).replace("*", name) for pattern in WRITABLE_KEYS
    )


def root_record_key() -> str:
    """Return a key of a root record, with a name that nothing has."""
    return ROOT_RECORD_KEYS.replace("*", f"doctor-{secrets.token_hex(16)}.json")


def pin_key() -> str:
    """Return the key of a pin's latest store path, of a pin that does not exist."""
    return PIN_KEYS.replace("*", f"doctor-{secrets.token_hex(16)}/latest")


def collection_key() -> str:
    """Return a key that a collection could write, with a name that nothing has."""
    return COLLECTION_KEYS.replace("*", f"-doctor-{secrets.token_hex(16)}")


def foreign_key() -> str:
    """Return a key that Nix never writes, with a name that nothing has."""
    return f"doctor-{secrets.token_hex(16)}"


def ask(client: Client, query: str) -> Trial:
    """Try to read something about the bucket."""
    return judged(client.request("GET", query=query))


def get(client: Client, key: str) -> Trial:
    """Try to read an object that exists. Only a successful answer shows that it can be read."""
    answer = client.request("GET", key)
    trial = judged(answer)
    if trial.outcome is Outcome.ALLOWED and answer.status >= 300:
        return Trial(Outcome.UNCLEAR, trial.answer)
    return trial


def put(client: Client, key: str, present: Response | None = None) -> Trial:
    """Try to put an object.

    Args:
        client: as whom.
        key: the object.
        present: what is there now, if anything is. It is what would be put, so that a storage that
            ignored the checksum would put the same again.
    """
    body = present.body if present else b"nix-cache doctor\n"
    content_type = present.headers.get("Content-Type", "") if present else "text/plain"
    headers = {"Content-MD5": _WRONG_CHECKSUM, "Content-Type": content_type}
    answer = client.request("PUT", key, headers=headers, body=body)
    if answer.code in CHECKSUM_CODES:
        return Trial(Outcome.ALLOWED, str(answer))
    if answer.status == 200 and present is None:
        return Trial(Outcome.ALLOWED, str(answer), left="" if removed(client, key) else key)
    return judged(answer)


def delete(client: Client, key: str) -> Trial:
    """Try to delete an object that does not exist.

    In a bucket that keeps versions this leaves a mark, which is removed again.
    """
    answer = client.request("DELETE", key)
    version = answer.headers.get("x-amz-version-id", "")
    if answer.headers.get("x-amz-delete-marker") == "true":
        again = client.request("DELETE", key, query=f"versionId={version}")
        left = "" if again.status < 300 else f"{key} (a delete marker)"
        return Trial(Outcome.ALLOWED, str(answer), left)
    return judged(answer)


def upload(client: Client, key: str) -> Trial:
    """Try to begin an upload in parts, as Nix does for a large NAR, and to abort it."""
    begun = client.request("POST", key, query="uploads")
    found = _UPLOAD_ID.search(begun.body)
    if not found:
        return judged(begun)
    ended = client.request("DELETE", key, query=f"uploadId={found[1].decode()}")
    if ended.status >= 300:
        return Trial(Outcome.REFUSED, f"abort: {ended}", f"{key} (an unfinished upload)")
    return Trial(Outcome.ALLOWED, str(begun))


def removed(client: Client, key: str) -> bool:
    """Remove what a put left; returns whether the storage agreed."""
    return client.request("DELETE", key).status < 300


def judged(answer: Response) -> Trial:
    """Return the trial's outcome: the response "no such object" shows that the right was there."""
    if answer.is_refusal or answer.status in _NOT_OFFERED or _is_unsigned(answer):
        outcome = Outcome.REFUSED
    elif is_page_content(answer.body):
        return Trial(Outcome.UNCLEAR, f"{answer} with a web page, which is not the storage's")
    elif answer.status < 300 or (answer.code.startswith("NoSuch") and answer.code != NO_BUCKET):
        outcome = Outcome.ALLOWED
    else:
        outcome = Outcome.UNCLEAR
    return Trial(outcome, str(answer))


def _is_unsigned(answer: Response) -> bool:
    return answer.status == 400 and (
        answer.code in _UNSIGNED_CODES or _NO_AUTHORIZATION in answer.body
    )
