"""How to reach a DigitalOcean account: by the provider's own settings and variables. Pure."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nix_cache.redaction import keep_secret
from nix_cache.shown import ShownError

REGION_MARK = "{{.Region}}"
"""What stands for the region in the provider's ``spacesEndpoint``."""

_DEFAULTS = {
    "api_url": "https://api.digitalocean.com",
    "spaces_url": f"https://{REGION_MARK}.digitaloceanspaces.com",
}


class SpacesAccountError(ShownError):
    """The account cannot be asked, or refuses: one sentence that says why and what to do."""


@dataclass(frozen=True, repr=False)
class SpacesConnection:
    """An account, by the settings of the DigitalOcean provider.

    Attributes:
        token: for DigitalOcean's API, which keeps keys and the CDN.
        access_id: the id of a key to all Spaces of the account, for buckets and objects.
        secret_key: its secret half.
        api_url: the API's URL.
        spaces_url: the URL of Spaces, with ``REGION_MARK`` for the region.
    """

    token: str
    access_id: str
    secret_key: str
    api_url: str
    spaces_url: str

    def __post_init__(self) -> None:
        keep_secret(self.token, self.secret_key)

    def endpoint(self, region: str) -> str:
        """Return the URL under which the provider reaches a region's buckets."""
        return self.spaces_url.replace(REGION_MARK, region)


@dataclass(frozen=True)
class VariableSource:
    """Where one part of a connection comes from.

    Attributes:
        setting: the provider's setting.
        variables: those in its stead, the first of them is named in messages.
    """

    setting: str
    variables: tuple[str, ...]


SOURCES: Mapping[str, VariableSource] = {
    "token": VariableSource("token", ("DIGITALOCEAN_TOKEN", "DIGITALOCEAN_ACCESS_TOKEN")),
    "access_id": VariableSource("spacesAccessId", ("SPACES_ACCESS_KEY_ID",)),
    "secret_key": VariableSource("spacesSecretKey", ("SPACES_SECRET_ACCESS_KEY",)),
    "api_url": VariableSource("apiEndpoint", ("DIGITALOCEAN_API_URL",)),
    "spaces_url": VariableSource("spacesEndpoint", ("SPACES_ENDPOINT_URL",)),
}
"""For each part of a connection, where the provider looks for it, in this order."""


def connection_from(get: Callable[[str], Any]) -> SpacesConnection:
    """Return the connection that the DigitalOcean provider would make from the same settings.

    Args:
        get: gives the provider's setting of a name such as ``spacesAccessId``, or None.

    Raises:
        SpacesAccountError: the token or the key is not set anywhere.
    """
    if missing := missing_sources(get):
        lacking = ", ".join(f"digitalocean:{s.setting} (or {s.variables[0]})" for s in missing)
        raise SpacesAccountError(f"the DigitalOcean account is not known: set {lacking}")
    return SpacesConnection(**{part: _find(get, part) for part in SOURCES})


def missing_sources(get: Callable[[str], Any]) -> list[VariableSource]:
    """Return what is not set, and no account can be reached without.

    Args:
        get: as for ``connection_from``.
    """
    return [source for part, source in SOURCES.items() if not _find(get, part)]


def _find(get: Callable[[str], Any], part: str) -> str:
    source = SOURCES[part]
    given = get(source.setting)
    found = (os.environ.get(variable, "") for variable in source.variables)
    return str(given) if given else next(filter(None, found), _DEFAULTS.get(part, ""))
