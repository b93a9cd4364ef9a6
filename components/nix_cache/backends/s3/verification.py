"""How `nix-cache stack verify` tries out a service with an S3 API."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from nix_cache.backends.spec import Verification

if TYPE_CHECKING:
    from nix_cache.rights.trials import Trial


def _config(environment: Mapping[str, str]) -> dict[str, Any]:
    own = {
        "endpoint": environment["AWS_ENDPOINT_URL_S3"],
        "iamEndpoint": environment["AWS_ENDPOINT_URL_IAM"],
        "region": _region(environment),
    }
    return {"nix-cache:s3": own}


def _region(environment: Mapping[str, str]) -> str:
    return environment.get("AWS_REGION") or "us-east-1"


def _minter(
    environment: Mapping[str, str], access_key_id: str, secret_access_key: str
) -> "Callable[[str], Trial]":
    from nix_cache.backends.s3.connection import S3Service
    from nix_cache.backends.s3.login import S3Login
    from nix_cache.backends.s3.rights import minter

    endpoint, iam = environment["AWS_ENDPOINT_URL_S3"], environment["AWS_ENDPOINT_URL_IAM"]
    service = S3Service(endpoint, _region(environment), "path", iam)
    pair = (environment[name] for name in VERIFICATION.owner_variables)
    return minter(service, S3Login(*pair), S3Login(access_key_id, secret_access_key))


VERIFICATION = Verification(
    costs="What the service asks for less than 1 MB, for some minutes, and a few hundred requests.",
    variables={
        "AWS_ENDPOINT_URL_S3": "the URL of the service",
        "AWS_ENDPOINT_URL_IAM": "the URL of its AWS IAM API",
        "AWS_ACCESS_KEY_ID": "the id of a key pair that may create buckets and users",
        "AWS_SECRET_ACCESS_KEY": "that key pair's secret",
    },
    config=_config,
    owner_variables=("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
    minter=_minter,
)
