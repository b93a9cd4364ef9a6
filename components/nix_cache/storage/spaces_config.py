"""What the program needs of a DigitalOcean account before anything else: its token and its key."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from nix_cache.backend_settings import SpacesSettings
from nix_cache.problems import Problem, SettingsError, problems_of
from nix_cache.storage.spaces_connection import Source, missing_sources

_WHAT = {
    "token": "the token for DigitalOcean's API",
    "spacesAccessId": "the id of a key to all Spaces of the account",
    "spacesSecretKey": "the secret half of that key",
}


def complete(
    settings: Mapping[str, Any], configured: Mapping[str, str]
) -> tuple[dict[str, Any], None]:
    """The settings as written, once it is sure that the provider knows its account.

    The default provider is used, with all that the stack's configuration says of it.

    Args:
        settings: the object ``nix-cache:spaces`` as written.
        configured: all of the stack's configuration, for the provider's own settings.

    Raises:
        SettingsError: the account is not known. It also has every mistake in the settings.
    """
    missing = missing_sources(lambda setting: configured.get(f"digitalocean:{setting}"))
    if missing:
        raise SettingsError([*map(_problem, missing), *_mistakes(settings)])
    return dict(settings), None


def _problem(source: Source) -> Problem:
    return Problem(
        "spaces",
        "",
        f"needs {_WHAT[source.setting]}, and nobody has set digitalocean:{source.setting}",
        f"pulumi config set --secret digitalocean:{source.setting}, or the variable "
        f"{source.variables[0]}",
    )


def _mistakes(settings: Mapping[str, Any]) -> list[Problem]:
    """The mistakes in the settings themselves, which the whole check then does not look at."""
    try:
        SpacesSettings.model_validate(settings)
    except ValidationError as error:
        found = problems_of(error, SpacesSettings)
        return [Problem(f"spaces.{p.key}", p.value, p.mistake, p.fix) for p in found]
    return []
