"""What single values in the settings may look like, as types for pydantic. Pure."""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from nix_cache import signing

_NAME_PATTERN = r"^[a-z0-9][a-z0-9-]{1,30}[a-z0-9]$"
_NAME_RULE = "3 to 32 lower-case letters, digits and inner hyphens"

_NEVER_IN_A_URL = re.compile(r"""[^!-~]|[<>"'`{}|\\^]""")
"""The endpoint goes into nix.conf, Nix code and a page as it is written."""


class SettingsModel(BaseModel):
    """A group of settings: under camelCase or snake_case keys, and no others."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True
    )


def _endpoint(url: str) -> str:
    if _NEVER_IN_A_URL.search(url):
        raise ValueError("has characters that no URL has")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("is not a full URL")
    # A percent sign can hide an `@`. No host name has one.
    if "@" in parts.netloc or "%" in parts.netloc:
        raise ValueError("has credentials in it, or a percent sign in its host")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("has more than a scheme, a host and a port")
    return url.rstrip("/")


def _public_key(text: str) -> str:
    signing.parse_public_key(text)
    return text.strip()


def _absent_if_empty(value: object) -> object:
    """The engine has no optional settings: what depends on another has to have a default there."""
    return None if value == "" else value


Name = Annotated[str, Field(pattern=_NAME_PATTERN, description=_NAME_RULE)]
"""Of a writer or a reader."""

Generation = Annotated[int, Field(ge=1, le=9999, description="a whole number from 1 to 9999")]
"""Of a writer's key."""

Endpoint = Annotated[str, AfterValidator(_endpoint)]
"""A URL of scheme, host and port."""

PublicKey = Annotated[str, AfterValidator(_public_key)]
"""A key as it stands in ``trusted-public-keys``."""

LikePublic = Annotated[bool | None, BeforeValidator(_absent_if_empty)]
"""Whether a cache has something that, unless it is said, public ones have and private ones not."""
