"""Clients of one service: its S3 API and, where it has one, its IAM API."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, SSLError
from botocore.parsers import ResponseParserError

from nix_cache.backends.s3.login import S3Login, S3ServiceError

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_s3 import S3Client

_CONNECT_SECONDS, _READ_SECONDS, _ATTEMPTS = 10, 30, 3

_NO_LOGIN = frozenset({"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidClientTokenId"})
_BUSY = frozenset({"InternalError", "ServiceUnavailable", "SlowDown", "ServiceFailure"})
_NOT_OFFERED = frozenset({"NotImplemented", "MethodNotAllowed", "UnsupportedOperation"})


class NotOfferedError(S3ServiceError):
    """The service does not have this part of the API."""


class NotAllowedError(S3ServiceError):
    """The service does not let this key pair do it."""


@dataclass(frozen=True)
class S3Service:
    """Where a service is. All of it is in the state, and none of it is secret.

    Attributes:
        endpoint: the URL of its S3 API.
        region: the region that requests are signed for.
        addressing_style: ``path`` or ``virtual``: where URLs have the bucket's name.
        iam_endpoint: the URL of its IAM API; empty if it is not used.
    """

    endpoint: str
    region: str
    addressing_style: str
    iam_endpoint: str = ""

    def as_input(self) -> dict[str, str]:
        """Return the input of a resource that describes the service."""
        return asdict(self)


def service_of(props: Mapping[str, Any]) -> S3Service:
    """Return the service that the inputs of a resource describe."""
    return S3Service(**props["service"])


@lru_cache
def s3_client(service: S3Service, login: S3Login) -> "S3Client":
    """Return a client of the service's S3 API. It refuses another region than the given one."""

    def check_region(response: Any, **_: Any) -> None:
        error = response[1].get("Error", {}) if response else {}
        expected = error.get("Region")
        if error.get("Code") == "AuthorizationHeaderMalformed" and expected:
            raise S3ServiceError(
                f"The S3 service at {service.endpoint} expects the region {expected}, and "
                f"s3.region is {service.region}. Set s3.region to {expected}."
            )

    client = _session().client(
        "s3",
        endpoint_url=service.endpoint,
        region_name=service.region,
        config=_config(s3={"addressing_style": service.addressing_style}),
        **_keys(login),
    )
    # This client would try the other region by itself, which those of a cache's users do not.
    client.meta.events.register_first("needs-retry.s3", check_region)
    return client


@lru_cache
def iam_client(service: S3Service, login: S3Login) -> "IAMClient":
    """Return a client of the service's IAM API."""
    return _session().client(
        "iam",
        endpoint_url=service.iam_endpoint,
        region_name=service.region,
        config=_config(),
        **_keys(login),
    )


def _session() -> boto3.Session:
    """Return a session that reads no files of the AWS tools: they describe other services."""
    session = botocore.session.Session(session_vars={"profile": (None, [], None, None)})
    for file in ("config_file", "credentials_file"):
        session.set_config_variable(file, os.devnull)
    return boto3.Session(botocore_session=session)


def _keys(login: S3Login) -> dict[str, Any]:
    return {
        "aws_access_key_id": login.access_key_id,
        "aws_secret_access_key": login.secret_access_key,
        "aws_session_token": login.session_token or None,
    }


def _config(**parts: Any) -> Config:
    """Return the settings of a client. Checksums of newer clients fail on many services."""
    return Config(
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        retries={"total_max_attempts": _ATTEMPTS, "mode": "standard"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        **parts,
    )


def code_of(refusal: ClientError) -> str:
    """Return the code of a refusal; the status where the response has no code."""
    code = str(refusal.response.get("Error", {}).get("Code") or "")
    status = str(refusal.response.get("ResponseMetadata", {}).get("HTTPStatusCode", ""))
    return code if code and code != "Unknown" else status


@contextmanager
def explained(url: str, login: S3Login, action: str) -> Iterator[None]:
    """Turn every error of the client into one sentence and its fix.

    Args:
        url: the URL of the API.
        login: who sends the requests.
        action: what is tried, as an infinitive without "to", such as ``set the bucket policy``.

    Raises:
        NotOfferedError: the service does not have this part of the API.
        NotAllowedError: the key pair lacks the right.
        S3ServiceError: the service refuses, or does not answer.
    """
    try:
        yield
    except ClientError as refusal:
        raise _refused(refusal, url, login, action) from None
    except SSLError as failure:
        raise S3ServiceError(
            f"The certificate of {url} was not accepted ({_reason(failure)}). Set AWS_CA_BUNDLE to "
            "a file with the certificate of its authority."
        ) from None
    except ResponseParserError:
        raise S3ServiceError(
            f"{url} answers, but not as this API does. Correct s3.endpoint or s3.iamEndpoint."
        ) from None
    except RecursionError:  # botocore follows a redirection without an end
        raise S3ServiceError(
            f"{url} redirects requests elsewhere. Set s3.endpoint to the URL of the service "
            "itself, with its scheme, and s3.region to the region of the bucket."
        ) from None
    except ValueError as invalid:
        raise S3ServiceError(f"{url} cannot be used ({invalid}). Correct s3.endpoint.") from None
    except BotoCoreError as failure:
        raise S3ServiceError(
            f"The S3 service at {url} does not answer ({_reason(failure)}). Check the endpoint and "
            "the network, then run the same command again."
        ) from None


def _refused(refusal: ClientError, url: str, login: S3Login, action: str) -> S3ServiceError:
    code = code_of(refusal)
    status = refusal.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _NOT_OFFERED or status == 501:
        return NotOfferedError(f"The S3 service at {url} cannot {action} ({code}).")
    if code in _NO_LOGIN:
        return S3ServiceError(
            f"The S3 service at {url} refuses the key {login.access_key_id!r} ({code}). Correct "
            "s3:accessKeyId and s3:secretAccessKey (or AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY)."
        )
    if code in _BUSY or status >= 500:
        return S3ServiceError(
            f"The S3 service at {url} does not answer as it should ({code}). Wait, then run the "
            "same command again."
        )
    if status == 403:
        return NotAllowedError(
            f"The key {login.access_key_id!r} may not {action} at {url} ({code}). Set "
            "s3:accessKeyId and s3:secretAccessKey to a key pair that may."
        )
    message = refusal.response.get("Error", {}).get("Message", "")
    return S3ServiceError(
        f"The S3 service at {url} refuses to {action}: {code} {message}".rstrip(" .") + "."
    )


def _reason(failure: Exception) -> str:
    cause = getattr(failure, "kwargs", {}).get("error", failure)  # botocore reports only the URL
    return str(cause).rsplit(": ", 1)[-1]
