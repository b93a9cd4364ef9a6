"""The requests of Backblaze's own API that its SDK makes for a cache, in the simulator's words."""

from collections.abc import Mapping
from typing import Any

from b2sdk.v3 import SSE_B2_AES, SSE_NONE

_PARAMETERS: Mapping[str, Mapping[str, str]] = {
    "b2_create_bucket": {
        "accountId": "account_id",
        "bucketName": "bucket_name",
        "bucketType": "bucket_type",
        "bucketInfo": "bucket_info",
        "lifecycleRules": "lifecycle_rules",
        "defaultServerSideEncryption": "default_server_side_encryption",
    },
    "b2_update_bucket": {
        "accountId": "account_id",
        "bucketId": "bucket_id",
        "bucketType": "bucket_type",
        "bucketInfo": "bucket_info",
        "lifecycleRules": "lifecycle_rules",
        "defaultServerSideEncryption": "default_server_side_encryption",
    },
    "b2_delete_bucket": {"accountId": "account_id", "bucketId": "bucket_id"},
    "b2_list_buckets": {
        "accountId": "account_id",
        "bucketId": "bucket_id",
        "bucketName": "bucket_name",
        "bucketTypes": "",
    },
    "b2_create_key": {
        "accountId": "account_id",
        "capabilities": "capabilities",
        "keyName": "key_name",
        "validDurationInSeconds": "valid_duration_seconds",
        "bucketIds": "bucket_ids",
        "namePrefix": "name_prefix",
    },
    "b2_delete_key": {"applicationKeyId": "key_id"},
    "b2_list_keys": {
        "accountId": "account_id",
        "maxKeyCount": "max_key_count",
        "startApplicationKeyId": "start_application_key_id",
    },
    "b2_list_file_versions": {
        "bucketId": "bucket_id",
        "startFileName": "start_file_name",
        "startFileId": "start_file_id",
        "maxFileCount": "max_file_count",
        "prefix": "prefix",
    },
    "b2_list_unfinished_large_files": {
        "bucketId": "bucket_id",
        "startFileId": "start_file_id",
        "maxFileCount": "max_file_count",
        "namePrefix": "prefix",
    },
    "b2_cancel_large_file": {"fileId": "file_id"},
    "b2_delete_file_version": {
        "fileId": "file_id",
        "fileName": "file_name",
        "bypassGovernance": "bypass_governance",
    },
    "b2_get_upload_url": {"bucketId": "bucket_id"},
}
"""For each request, its parameters, and their names in the simulator where they matter there."""

_ENCRYPTIONS = {"SSE-B2": SSE_B2_AES, "none": SSE_NONE}


class UnknownRequestError(Exception):
    """A request, or some of its parameters, that no user has foreseen."""


def translated(request: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of the simulator's method of the same name.

    Args:
        request: its name, such as ``b2_list_keys``.
        body: its parameters.

    Raises:
        UnknownRequestError: it is not in the table.
    """
    parameters = _PARAMETERS.get(request)
    if parameters is None or not set(body) <= set(parameters):
        raise UnknownRequestError(f"{request} {sorted(set(body) - set(parameters or ()))}")
    arguments = {parameters[key]: value for key, value in body.items() if parameters[key]}
    if encryption := arguments.get("default_server_side_encryption"):
        arguments["default_server_side_encryption"] = _ENCRYPTIONS[encryption["mode"]]
    return arguments
