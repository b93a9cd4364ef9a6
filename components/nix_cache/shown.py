"""Texts and values as they may be shown: without secrets, and with escapes for what acts or hides.

Everything of this project that prints, or that makes a message which another program prints, passes
its foreign values through here. Pure, apart from the secrets that this process knows.
"""

import re

from nix_cache.redaction import MASK, redacted
from nix_cache.visible import visible

_LONGEST_VALUE = 60
_PUBLIC_KEY = re.compile(r"[^\s:]+:[A-Za-z0-9+/]{43}=")
_KEY_MATERIAL = re.compile(r"[A-Za-z0-9+/_-]{40}")
"""What a secret key looks like. It may have been pasted anywhere."""


def shown(text: str, *, lines: bool = False) -> str:
    """Return a text as it may be shown.

    Args:
        text: any text.
        lines: whether its line ends are a layout of ours. Else they are escaped too, for a value
            in a message must not look like a separate line.
    """
    return visible(redacted(text), keep="\n" if lines else "")


def shown_value(value: str) -> str:
    """Return a value that stands alone, such as that of a setting, as it may be shown in a message.

    What stands before an ``@`` may be a password, with any characters in it, also where the scheme
    of the URL is missing. What looks like key material is masked as a whole, except for public
    keys. Long values are cut.
    """
    is_public = _are_public_keys(value)
    if _KEY_MATERIAL.search(value) and not is_public:
        return "(secret)"
    before, at, host = value.rpartition("@")
    scheme, slashes, _ = before.partition("://")
    if at and not is_public and (slashes or ":" in scheme):
        value = f"{scheme}{slashes}{MASK}@{host}" if slashes else f"{MASK}@{host}"
    text = shown(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 3]}..."


def _are_public_keys(value: str) -> bool:
    """Return whether a value is a public key, or a list of them as nix.conf or Python writes it."""
    words = re.split(r"[\s,]+", value.strip(" []()"))
    return all(_PUBLIC_KEY.fullmatch(word.strip("'\"")) for word in words)


class ShownError(Exception):
    """An error whose message may hold foreign text: it is made fit to be shown, as one line."""

    def __init__(self, message: str) -> None:
        super().__init__(shown(message))
