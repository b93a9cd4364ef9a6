"""The row of Backblaze B2."""

from collections.abc import Mapping
from typing import Any

from nix_cache.cli.stack.verify.backend import Backend, beyond


def _config(environment: Mapping[str, str]) -> dict[str, Any]:
    """The key stays in the environment, where the provider finds it too."""
    return {"nix-cache:b2": {"region": environment["B2_REGION"]}}


ROW = Backend(
    name="b2",
    service="Backblaze B2",
    package="b2sdk",
    # By https://www.backblaze.com/cloud-storage/pricing
    costs="As a rule nothing. Less than 1 MB is stored for some minutes, where 10 GB are free, and "
    "a few hundred requests are made, where 2,500 of each class are free every day.",
    variables={
        "B2_APPLICATION_KEY_ID": "the ID of a key that may administer the account",
        "B2_APPLICATION_KEY": "that key",
        "B2_REGION": "the account's region, such as us-west-004",
    },
    config=_config,
    beyond=beyond("b2"),
    least_nix=(2, 34, 2),
)
