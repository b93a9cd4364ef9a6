"""How `nix-cache stack verify` tries out Backblaze B2."""

from collections.abc import Mapping
from typing import Any

from nix_cache.backends.spec import Verification


def _config(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the key stays in the environment, where the provider finds it too."""
    return {"nix-cache:b2": {"region": environment["B2_REGION"]}}


VERIFICATION = Verification(
    # By https://www.backblaze.com/cloud-storage/pricing
    costs="As a rule nothing. Less than 1 MB is stored for some minutes, where 10 GB are free, and "
    "a few hundred requests are made, where 2,500 of each class are free every day.",
    variables={
        "B2_APPLICATION_KEY_ID": "the ID of a key that may administer the account",
        "B2_APPLICATION_KEY": "that key",
        "B2_REGION": "the account's region, such as us-west-004",
    },
    config=_config,
    owner_variables=("B2_APPLICATION_KEY_ID", "B2_APPLICATION_KEY"),
    least_nix=(2, 34, 2),
)
