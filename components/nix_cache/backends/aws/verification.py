"""How `nix-cache stack verify` tries out AWS S3."""

from collections.abc import Mapping
from typing import Any

from nix_cache.backends.spec import Verification


def _config(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the credentials stay where the AWS provider looks for them."""
    region = environment["AWS_REGION"]
    config = {"aws:region": region, "nix-cache:aws": {"region": region}}
    if endpoint := environment.get("AWS_ENDPOINT_URL"):
        # One name for all of its services, so buckets are in the path.
        config["aws:s3UsePathStyle"] = "true"
        config["nix-cache:aws"] = {"region": region, "endpoint": endpoint}
    return config


VERIFICATION = Verification(
    # By https://aws.amazon.com/s3/pricing/
    costs="Less than a cent. Less than 1 MB is stored for some minutes and a few hundred requests "
    "are made, at 0.005 US dollars for a thousand that write.",
    variables={"AWS_REGION": "where the bucket is made, such as eu-central-1"},
    config=_config,
    owner_variables=("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
)
