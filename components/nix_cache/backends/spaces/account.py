"""Questions to a DigitalOcean account, answered without Pulumi: is a bucket there, who has keys.

Used where an answer is needed before the engine acts. Each question ends within seconds, while the
provider's own client goes on trying a busy service for minutes.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import boto3
import urllib3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from nix_cache.backends.spaces.connection import SpacesAccountError, SpacesConnection

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_TIMEOUT_SECONDS = 10
_NO_LOGIN = frozenset({"InvalidAccessKeyId", "SignatureDoesNotMatch"})
_BUSY = frozenset({"500", "503", "504", "InternalError", "ServiceUnavailable", "SlowDown"})
_FULL_ACCESS = "fullaccess"
_PAGE = 200
"""The most keys that the API returns at once, and that an account has by default."""


class SpacesAccount:
    """An account to put questions to."""

    def __init__(self, connection: SpacesConnection) -> None:
        self._connection = connection

    def has_bucket(self, region: str, bucket: str) -> bool:
        """Return whether the account has a bucket of this name in the region.

        Raises:
            SpacesAccountError: another account has it, Spaces refuses the key, or is down.
        """
        return self._there(region, "get_bucket_location", bucket, absent="NoSuchBucket")

    def has_policy(self, region: str, bucket: str) -> bool:
        """Return whether a bucket of the account has a policy.

        Raises:
            SpacesAccountError: another account has it, Spaces refuses the key, or is down.
        """
        return self._there(region, "get_bucket_policy", bucket, absent="NoSuchBucketPolicy")

    def limited_keys(self, bucket: str) -> list[str]:
        """Return the names of the keys that are limited to certain buckets, this one included.

        Raises:
            SpacesAccountError: the API refuses the token, or is down.
        """
        return sorted(
            str(key["name"])
            for key in self._keys()
            if any(
                grant["bucket"] == bucket and grant["permission"] != _FULL_ACCESS
                for grant in key.get("grants") or []
            )
        )

    def _there(self, region: str, question: str, bucket: str, *, absent: str) -> bool:
        endpoint = self._connection.endpoint(region)
        try:
            getattr(self._client(region), question)(Bucket=bucket)
        except ClientError as refusal:
            code = str(refusal.response["Error"]["Code"])
            if code in {absent, "NoSuchBucket"}:
                return False
            raise self._refused_by_spaces(endpoint, bucket, code) from None
        except BotoCoreError as failure:
            raise _unreachable(endpoint, failure) from None
        return True

    def _client(self, region: str) -> "S3Client":
        return boto3.client(
            "s3",
            endpoint_url=self._connection.endpoint(region),
            region_name=region,
            aws_access_key_id=self._connection.access_id,
            aws_secret_access_key=self._connection.secret_key,
            config=Config(
                connect_timeout=_TIMEOUT_SECONDS,
                read_timeout=_TIMEOUT_SECONDS,
                retries={"total_max_attempts": 2},
                s3={"addressing_style": "path"},
            ),
        )

    def _refused_by_spaces(self, endpoint: str, bucket: str, code: str) -> SpacesAccountError:
        key = f"{self._connection.access_id!r}"
        if code in _NO_LOGIN:
            return SpacesAccountError(
                f"Spaces at {endpoint} refuses the key {key} ({code}); correct "
                "digitalocean:spacesAccessId and digitalocean:spacesSecretKey"
            )
        if code in _BUSY:
            return SpacesAccountError(
                f"Spaces at {endpoint} answers {code}; wait, then run the same command again"
            )
        return SpacesAccountError(
            f"the key {key} may not see the bucket {bucket!r} at {endpoint} ({code}): another "
            "account has a bucket of this name, or the key is limited; choose another bucket, or "
            "give the provider a key with full access"
        )

    def _keys(self) -> Iterator[dict[str, Any]]:
        page = 1
        while True:
            answer = self._ask("/v2/spaces/keys", page=page, per_page=_PAGE)
            yield from answer.get("keys") or []
            if not ((answer.get("links") or {}).get("pages") or {}).get("next"):
                return
            page += 1

    def _ask(self, path: str, **query: int) -> dict[str, Any]:
        url = self._connection.api_url.rstrip("/")
        try:
            answer = urllib3.request(
                "GET",
                f"{url}{path}?{urlencode(query)}",
                headers={"Authorization": f"Bearer {self._connection.token}"},
                timeout=_TIMEOUT_SECONDS,
                retries=False,
            )
        except urllib3.exceptions.HTTPError as failure:
            raise _unreachable(url, failure) from None
        if answer.status in (401, 403):
            raise SpacesAccountError(
                f"DigitalOcean at {url} refuses the token ({answer.status}); set "
                "digitalocean:token to one that is valid and may manage Spaces keys and, where "
                "wanted, CDN endpoints"
            )
        if answer.status != 200:
            raise SpacesAccountError(
                f"DigitalOcean at {url} answers {answer.status}; wait, then run the same command "
                "again"
            )
        found: dict[str, Any] = answer.json()
        return found


def _unreachable(url: str, failure: Exception) -> SpacesAccountError:
    cause = getattr(failure, "kwargs", {}).get("error", failure)  # botocore reports only the URL
    reason = str(cause).rsplit(": ", 1)[-1]
    return SpacesAccountError(
        f"{url} does not answer ({reason}); check the network, then run the same command again"
    )
