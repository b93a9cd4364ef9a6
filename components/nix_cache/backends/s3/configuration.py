"""What the program needs before anything else: the key pair that administers the service."""

from collections.abc import Mapping
from typing import Any

from nix_cache.backends.s3.login import missing
from nix_cache.backends.spec import Completion
from nix_cache.config.problems import Problem


def complete(settings: Mapping[str, Any], configured: Mapping[str, str]) -> Completion:
    """Return the settings as written, and what of the administrator's key pair is missing.

    Args:
        settings: the object ``nix-cache:s3`` as written.
        configured: all of the stack's configuration.
    """
    return Completion(
        settings=settings,
        problems=[
            Problem(
                "s3",
                "",
                f"needs the key pair that administers the service: {setting} is not set",
                f"run `pulumi config set --secret {setting}`, or set the variable {variable}",
            )
            for setting, variable in missing(configured.get)
        ],
    )
