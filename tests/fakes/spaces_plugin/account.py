"""The account that the plugin acts in: DigitalOcean's API by token, Spaces by a key."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import boto3
import urllib3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_DEFAULT_API = "https://api.digitalocean.com"
_DEFAULT_SPACES = "https://{{.Region}}.digitaloceanspaces.com"
_RETRIES = urllib3.Retry(
    total=4,
    backoff_factor=0.5,
    status_forcelist=[429, 500, 502, 503, 504],
    allowed_methods=None,
    raise_on_status=False,
)


class RefusedError(Exception):
    """The account said no, or nothing."""


class NotThereError(RefusedError):
    """What was asked for does not exist."""


class Account:
    """The clients of one provider.

    Args:
        config: the provider's settings, by the names that the engine uses.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        def setting(name: str, *variables: str, default: str = "") -> str:
            found = (os.environ.get(variable) for variable in variables)
            return str(config.get(name) or next(filter(None, found), default))

        self._token = setting("token", "DIGITALOCEAN_TOKEN", "DIGITALOCEAN_ACCESS_TOKEN")
        self._api = setting("apiEndpoint", "DIGITALOCEAN_API_URL", default=_DEFAULT_API)
        self._spaces = setting("spacesEndpoint", "SPACES_ENDPOINT_URL", default=_DEFAULT_SPACES)
        self._access_id = setting("spacesAccessId", "SPACES_ACCESS_KEY_ID")
        self._secret_key = setting("spacesSecretKey", "SPACES_SECRET_ACCESS_KEY")
        self._http = urllib3.PoolManager(retries=_RETRIES)

    def s3(self, region: str) -> "S3Client":
        """Return a client of the buckets of a region. It signs as the official plugin does.

        Raises:
            RefusedError: the provider has no key.
        """
        if not (self._access_id and self._secret_key):
            raise RefusedError("Spaces credentials not configured")
        return boto3.client(
            "s3",
            endpoint_url=self._spaces.replace("{{.Region}}", region.lower()),
            region_name="us-east-1",
            aws_access_key_id=self._access_id,
            aws_secret_access_key=self._secret_key,
            config=Config(s3={"addressing_style": "virtual"}, retries={"total_max_attempts": 4}),
        )

    def api(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Return what DigitalOcean's API answers.

        Raises:
            NotThereError: it answers 404.
            RefusedError: it answers another error, or nothing.
        """
        url = f"{self._api.rstrip('/')}{path}"
        try:
            answer = self._http.request(
                method, url, json=body, headers={"Authorization": f"Bearer {self._token}"}
            )
        except urllib3.exceptions.HTTPError as failure:
            raise RefusedError(f"{method} {url}: {failure}") from None
        if 200 <= answer.status < 300:
            return answer.json() if answer.data else None
        try:
            said = answer.json().get("message", "")
        except ValueError:
            said = answer.data.decode(errors="replace")
        error = NotThereError if answer.status == 404 else RefusedError
        raise error(f"{method} {url}: {answer.status} {said}")


def code_of(error: ClientError) -> str:
    """S3's name for an error."""
    return str(error.response["Error"]["Code"])


def explained(action: str, error: ClientError | BotoCoreError) -> RefusedError:
    """Return an error of S3 in the words that the official plugin has for it."""
    if isinstance(error, ClientError):
        return RefusedError(f"{action}: {code_of(error)}: {error.response['Error']['Message']}")
    return RefusedError(f"{action}: {error}")
