"""The owner of a bucket, who may do what no writer may: list it, and read its settings."""

import base64
import hashlib
from typing import Any

from botocore.awsrequest import AWSRequest
from botocore.config import Config

from nix_cache.cli.errors import UsageError
from nix_cache.cli.s3.credentials import Credential, profile_credential
from nix_cache.cli.s3.storage_session import bounded_session
from nix_cache.cli.s3.transport import Transport
from nix_cache.description import Description


def owner_credential(profile: str) -> Credential:
    """The key pair of a profile on this machine.

    Raises:
        UsageError: there is none.
    """
    pair = profile_credential(profile)
    if pair is None:
        raise UsageError(
            f"there is no profile {profile} with a key pair in the credentials file",
            "add it to ~/.aws/credentials, or name another",
        )
    return pair


def owner_client(
    description: Description,
    credential: Credential,
    connections: int = 10,
    transport: Transport | None = None,
) -> Any:
    """An S3 client of the bucket's owner, for every storage that speaks S3.

    Args:
        description: the cache.
        credential: the owner's.
        connections: how many requests there can be at a time.
        transport: the run's connections; new ones if None.
    """
    session = bounded_session(transport or Transport(jobs=connections))
    client = session.create_client(
        "s3",
        endpoint_url=description.endpoint,
        region_name=description.region,
        aws_access_key_id=credential.access_key_id,
        aws_secret_access_key=credential.secret_access_key,
        config=Config(
            # The transport tries again by itself, within the limits of the whole run.
            retries={"mode": "standard", "total_max_attempts": 1},
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            # B2 refuses the checksums that boto3 adds where nobody asks for them.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )
    client.meta.events.register("before-sign.s3.DeleteObjects", _with_md5)
    return client


def _with_md5(request: AWSRequest, **_: Any) -> None:
    """Protect the list of what goes by Content-MD5, which every storage takes.

    boto3 sends a CRC32 instead, which B2 refuses and older servers overlook.
    """
    for name in [name for name in request.headers if name.lower().startswith("x-amz-checksum-")]:
        del request.headers[name]
    del request.headers["x-amz-sdk-checksum-algorithm"]
    digest = hashlib.md5(request.data or b"", usedforsecurity=False).digest()
    request.headers["Content-MD5"] = base64.b64encode(digest).decode()
