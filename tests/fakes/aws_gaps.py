"""What else moto leaves out: tags at creation, request metrics, names of rights, markers."""

from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import flask
from moto.core.responses import ActionResult
from moto.iam.responses import IamResponse
from moto.s3.models import FakeBucket, FakeDeleteMarker, S3Backend
from moto.s3.responses import ACTION_MAP, S3Response

_VERSIONING = "VersioningConfiguration"
_NO_METRICS = "<Error><Code>NoSuchConfiguration</Code><Message>none of that id</Message></Error>"


def fill() -> None:
    """Fill the gaps of this process's moto."""
    _name_rights()
    _keep_tags()
    _keep_metrics()
    _name_versioning()
    # Asked for before a user goes. No user can make one here.
    nothing = ActionResult({"ServiceSpecificCredentials": []})
    replace(IamResponse, "list_service_specific_credentials", lambda _: nothing)
    # It is asked for when the last version of a key goes, which can be a marker.
    replace(FakeDeleteMarker, "dispose", lambda _: None)


_RIGHTS = {
    "HEAD": {"DEFAULT": "ListBucket"},
    "GET": {
        "encryption": "GetEncryptionConfiguration",
        "object-lock": "GetBucketObjectLockConfiguration",
        "ownershipControls": "GetBucketOwnershipControls",
        "publicAccessBlock": "GetBucketPublicAccessBlock",
        "replication": "GetReplicationConfiguration",
        "requestPayment": "GetBucketRequestPayment",
    },
    "PUT": {
        "encryption": "PutEncryptionConfiguration",
        "ownershipControls": "PutBucketOwnershipControls",
        "publicAccessBlock": "PutBucketPublicAccessBlock",
    },
    "DELETE": {
        "encryption": "PutEncryptionConfiguration",
        "ownershipControls": "PutBucketOwnershipControls",
        "publicAccessBlock": "PutBucketPublicAccessBlock",
    },
}
"""By https://docs.aws.amazon.com/AmazonS3/latest/API/. moto takes each for a look at the bucket, or
for its creation or deletion."""


def _name_rights() -> None:
    for method, rights in _RIGHTS.items():
        known = ACTION_MAP["BUCKET"][method]
        # What is named first is looked for first, and the default is not part of a request.
        ACTION_MAP["BUCKET"][method] = {**known, **rights}


def _keep_tags() -> None:
    create_bucket = S3Backend.create_bucket

    def create(backend: Any, *arguments: Any, **options: Any) -> FakeBucket:
        bucket = create_bucket(backend, *arguments, **options)
        if tags := tags_at_creation(flask.request.get_data()):
            backend.put_bucket_tagging(bucket.name, tags)
        return bucket

    replace(S3Backend, "create_bucket", create)


def _keep_metrics() -> None:
    """Keep what is to be counted. moto takes a request to delete that for one to delete the bucket.

    Nothing is counted, and the right to set it is not checked.
    """
    answer = S3Response._bucket_response
    kept: dict[tuple[str, str], bytes] = {}

    def respond(response: Any, request: Any, full_url: str) -> Any:
        if "metrics" not in request.args:
            return answer(response, request, full_url)
        name = response.parse_bucket_name_from_url(request, full_url)
        key = (name, request.args["id"])
        if request.method == "PUT":
            kept[key] = request.get_data()
            return ""
        if request.method == "DELETE":
            kept.pop(key, None)
            return 204, {}, ""
        return (200, {}, kept[key]) if key in kept else (404, {}, _NO_METRICS)

    replace(S3Response, "_bucket_response", respond)


def _name_versioning() -> None:
    """Call the document about a bucket's versions by the name that it has on AWS."""
    answer = S3Response.get_bucket_versioning

    def respond(response: Any) -> Any:
        status, headers, body = answer(response)
        text = body if isinstance(body, str) else body.decode()
        return status, headers, text.replace("GetBucketVersioningResponse", _VERSIONING)

    replace(S3Response, "get_bucket_versioning", respond)


def tags_at_creation(body: bytes) -> dict[str, str]:
    """Return the tags in the body of a CreateBucket request."""
    tags = ElementTree.fromstring(body).iterfind(".//{*}Tag") if body else ()
    return {tag.findtext("{*}Key", ""): tag.findtext("{*}Value", "") for tag in tags}


def replace(owner: type, method: str, by: Callable[..., Any]) -> None:
    """Put another function in the place of a method, or add one, as long as the process lasts."""
    setattr(owner, method, by)
