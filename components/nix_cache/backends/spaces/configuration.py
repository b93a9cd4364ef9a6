"""What the program needs of a DigitalOcean account before anything else: its token and its key."""

from collections.abc import Mapping
from typing import Any

from nix_cache.backends.spaces.connection import VariableSource, missing_sources
from nix_cache.backends.spec import Completion
from nix_cache.config.problems import Problem

_WHAT = {
    "token": "the token for DigitalOcean's API",
    "spacesAccessId": "the id of a key to all Spaces of the account",
    "spacesSecretKey": "the secret half of that key",
}


def complete(settings: Mapping[str, Any], configured: Mapping[str, str]) -> Completion:
    """Return the settings as written, and what the provider's own settings lack.

    The default provider is used, with its settings from the stack's configuration.

    Args:
        settings: the object ``nix-cache:spaces`` as written.
        configured: all of the stack's configuration, for the provider's own settings.
    """
    missing = missing_sources(lambda setting: configured.get(f"digitalocean:{setting}"))
    return Completion(settings=settings, problems=[*map(_problem, missing)])


def _problem(source: VariableSource) -> Problem:
    return Problem(
        "spaces",
        "",
        f"needs {_WHAT[source.setting]}: digitalocean:{source.setting} is not set",
        f"run `pulumi config set --secret digitalocean:{source.setting}`, or set the variable "
        f"{source.variables[0]}",
    )
