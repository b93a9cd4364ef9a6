"""Which Backblaze account is meant, and by which key: from the stack's settings or variables."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from nix_cache import docs
from nix_cache.redaction import keep_secret
from nix_cache.shown import ShownError

PRODUCTION = "https://api.backblazeb2.com"
"""Where every account of Backblaze's customers is authorized."""

CONFIG_KEYS: Mapping[str, tuple[str, str]] = {
    "key_id": ("b2:applicationKeyId", "B2_APPLICATION_KEY_ID"),
    "key": ("b2:applicationKey", "B2_APPLICATION_KEY"),
    "realm": ("b2:realm", "B2_ENVIRONMENT"),
}
"""For each field of a login: the stack's setting, and the variable of Backblaze's own tools."""

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


TAKEN = f"choose another bucket, or adopt this one: see {docs.page('operations/adoption')}"
"""What to do about a bucket that exists already."""


class B2AccountError(ShownError):
    """The account cannot be used: one sentence that says why and what to do."""


@dataclass(frozen=True)
class Login:
    """How an account is reached.

    Attributes:
        key_id: the ID of a key that may administer the whole account.
        key: that key.
        realm: the URL under which the key is authorized.
    """

    key_id: str
    key: str = field(repr=False)
    realm: str = PRODUCTION

    def __post_init__(self) -> None:
        keep_secret(self.key)


def login_from(get: Callable[[str], Any]) -> Login:
    """Return the login that the stack's configuration describes, or else the environment.

    Args:
        get: gives the setting of a full name such as ``b2:realm``, or None.

    Raises:
        B2AccountError: the key is not set anywhere, or the realm is not a URL to send a key to.
    """
    found = {
        name: str(get(setting) or os.environ.get(variable, ""))
        for name, (setting, variable) in CONFIG_KEYS.items()
    }
    missing = [CONFIG_KEYS[name] for name in ("key_id", "key") if not found[name]]
    if missing:
        lacking = ", ".join(f"{setting} (or {variable})" for setting, variable in missing)
        raise B2AccountError(
            f"the Backblaze account is not known: set {lacking} to a key that may administer it"
        )
    return Login(found["key_id"], found["key"], _checked_realm(found["realm"]))


def _checked_realm(realm: str) -> str:
    if realm in ("", "production"):
        return PRODUCTION
    parts = urlsplit(realm)
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    if not is_safe or not parts.hostname:
        raise B2AccountError(
            f"b2:realm (or B2_ENVIRONMENT) = {realm!r} is not a URL to send a key to: remove "
            "it to use Backblaze's default, or name one that begins with https://"
        )
    return realm.rstrip("/")
