"""How `nix-cache stack verify` tries out DigitalOcean Spaces."""

from collections.abc import Mapping
from typing import Any

from nix_cache.backends.spec import Verification


def _config(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the account stays in the environment, where the provider finds it too."""
    return {"nix-cache:spaces": {"region": environment["SPACES_REGION"]}}


VERIFICATION = Verification(
    # By https://docs.digitalocean.com/products/spaces/details/pricing/
    costs="Nothing where the account has Spaces already: requests are free, and less than 1 MB is "
    "stored for some minutes. The first bucket of an account starts a subscription, by the month.",
    variables={
        "DIGITALOCEAN_TOKEN": "a token that may manage Spaces keys",
        "SPACES_ACCESS_KEY_ID": "the id of a key to all Spaces of the account",
        "SPACES_SECRET_ACCESS_KEY": "that key's secret",
        "SPACES_REGION": "where the bucket is made, such as fra1",
    },
    config=_config,
    owner_variables=("SPACES_ACCESS_KEY_ID", "SPACES_SECRET_ACCESS_KEY"),
)
