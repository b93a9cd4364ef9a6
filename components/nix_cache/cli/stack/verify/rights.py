"""Who can do what to a cache, found out by doing it, with plain S3 requests."""

from collections.abc import Callable, Mapping
from typing import Any

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError as StorageError

from nix_cache.cli.stack.verify.backend import Action, Role
from nix_cache.formats.cache_info import INFO_KEY

NAR_KEY = f"nar/{'0' * 52}.nar"
"""A key as Nix writes it. Nothing refers to it."""

_REFUSALS = (401, 403)


def can_do(cache: Mapping[str, Any], credential: Mapping[str, str] | None) -> set[Action]:
    """All that a role can do. It is really done, so only to a cache that is thrown away.

    Args:
        cache: the stack's output of that name.
        credential: ``accessKeyId`` and ``secretAccessKey``; None for anonymous requests.

    Raises:
        botocore.exceptions.ClientError: the service answers something else than yes or no.
    """
    client, bucket = _client(cache, credential), str(cache["bucket"])
    trials: dict[Action, Callable[[], object]] = {
        Action.READ: lambda: client.get_object(Bucket=bucket, Key=INFO_KEY),
        Action.LIST: lambda: client.list_objects_v2(Bucket=bucket),
        Action.PUT: lambda: client.put_object(Bucket=bucket, Key=NAR_KEY, Body=b"content"),
        Action.UPLOAD: lambda: _upload_and_abort(client, bucket),
        Action.REPLACE_INFO: lambda: client.put_object(Bucket=bucket, Key=INFO_KEY, Body=b"other"),
        Action.DELETE: lambda: client.delete_object(Bucket=bucket, Key=NAR_KEY),
    }
    return {action for action, trial in trials.items() if _is_allowed(trial)}


def actor(role: Role, outputs: Mapping[str, Any]) -> Mapping[str, str] | None:
    """The credential of the first who has a role.

    Args:
        role: the role.
        outputs: the stack's outputs, secrets in clear.
    """
    cache = outputs["manifest"]
    names = {Role.WRITER: list(cache["pushUrls"]), Role.READER: list(cache["readers"])}
    if role is Role.ANYBODY:
        return None
    credential: Mapping[str, str] = outputs["credentials"][names[role][0]]
    return credential


def _client(cache: Mapping[str, Any], credential: Mapping[str, str] | None) -> Any:
    settings: dict[str, Any] = {
        # Services that are not AWS refuse the checksums that newer clients add.
        "request_checksum_calculation": "when_required",
        "response_checksum_validation": "when_required",
        "s3": {"addressing_style": "path"},
    }
    return boto3.session.Session().client(
        "s3",
        endpoint_url=cache["endpoint"] or None,
        region_name=cache["region"],
        aws_access_key_id=credential["accessKeyId"] if credential else None,
        aws_secret_access_key=credential["secretAccessKey"] if credential else None,
        config=Config(signature_version="s3v4" if credential else UNSIGNED, **settings),
    )


def _upload_and_abort(client: Any, bucket: str) -> None:
    upload = client.create_multipart_upload(Bucket=bucket, Key=NAR_KEY)["UploadId"]
    part = {"Bucket": bucket, "Key": NAR_KEY, "UploadId": upload}
    client.upload_part(**part, PartNumber=1, Body=b"content")
    client.abort_multipart_upload(**part)


def _is_allowed(trial: Callable[[], object]) -> bool:
    try:
        trial()
    except StorageError as answer:
        if answer.response["ResponseMetadata"]["HTTPStatusCode"] in _REFUSALS:
            return False
        raise
    return True
