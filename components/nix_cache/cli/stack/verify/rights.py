"""Finds out who can do what to a cache by doing it, with plain requests."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from nix_cache.cli.s3.client import S3Client
from nix_cache.cli.s3.credentials import Credential
from nix_cache.cli.s3.errors import AnsweredError
from nix_cache.cli.s3.outcome import Answer
from nix_cache.cli.s3.transport import Transport
from nix_cache.cli.stack.verify.backend import Action, Role
from nix_cache.formats.cache_info import INFO_KEY

NAR_KEY = f"nar/{'0' * 52}.nar"
"""A key as Nix writes it. Nothing refers to it."""

_UPLOAD_ID = re.compile(rb"<UploadId>([^<]+)</UploadId>")


def can_do(cache: Mapping[str, Any], credential: Mapping[str, str] | None) -> set[Action]:
    """Return all that a role can do. It is really done, so only to a cache that is thrown away.

    Args:
        cache: the cache's manifest.
        credential: ``accessKeyId`` and ``secretAccessKey``; None for anonymous requests.

    Raises:
        AnsweredError: the service answers neither with success nor with a refusal of the right.
        NoAnswerError: it does not answer.
    """
    url = f"{cache['endpoint'].rstrip('/')}/{cache['bucket']}"
    pair = credential and Credential(
        access_key_id=credential["accessKeyId"], secret_access_key=credential["secretAccessKey"]
    )
    client = S3Client(Transport(), url, cache["region"], pair or None)
    return {action for action, trial in _TRIALS.items() if _is_allowed(trial(client))}


def actor(role: Role, outputs: Mapping[str, Any]) -> Mapping[str, str] | None:
    """Return the credential of the first user with a role; None for anonymous requests.

    Args:
        role: the role.
        outputs: the stack's outputs, secrets in clear.
    """
    cache = outputs["manifest"]
    names = {Role.WRITER: list(cache["pushUrls"]), Role.READER: list(cache["readers"])}
    if role is Role.ANONYMOUS:
        return None
    credential: Mapping[str, str] = outputs["credentials"][names[role][0]]
    return credential


def _upload_and_abort(client: S3Client) -> Answer:
    """Upload in parts; returns the first answer that is no success, or the last one."""
    begun = client.request("POST", NAR_KEY, "uploads")
    found = _UPLOAD_ID.search(begun.body)
    if begun.status >= 300 or not found:
        return begun
    upload = f"uploadId={found[1].decode()}"
    put = client.request("PUT", NAR_KEY, f"partNumber=1&{upload}", body=b"content")
    aborted = client.request("DELETE", NAR_KEY, upload)
    return put if put.status >= 300 else aborted


_TRIALS: Mapping[Action, Callable[[S3Client], Answer]] = {
    Action.READ: lambda client: client.request("GET", INFO_KEY),
    Action.LIST: lambda client: client.request("GET", "", "list-type=2"),
    Action.PUT: lambda client: client.request("PUT", NAR_KEY, body=b"content"),
    Action.UPLOAD: _upload_and_abort,
    Action.REPLACE_INFO: lambda client: client.request("PUT", INFO_KEY, body=b"other"),
    Action.DELETE: lambda client: client.request("DELETE", NAR_KEY),
}


def _is_allowed(answer: Answer) -> bool:
    if answer.status < 300:
        return True
    if answer.is_refusal and not answer.is_stranger:
        return False
    raise AnsweredError(answer.status, answer.code)
