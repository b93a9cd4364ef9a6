"""What may be written into this machine's files. A description can come from anybody. Pure.

nix.conf and the credentials file know no quotes: a line end in a URL would be a setting of its own,
run by the daemon as root.
"""

import re
from urllib.parse import parse_qs, urlsplit

from nix_cache import signing
from nix_cache.client.errors import ClientError, UsageError
from nix_cache.client.source import Credential
from nix_cache.description import Description

_NAME = signing.KEY_NAME
_WORD = re.compile(r"[!-~]+")
_URL = re.compile(r"(https?|s3)://[!-\"$-~]+")
_FIX = "do not use this cache before its owner has explained that"


def require_name(name: str) -> None:
    """Refuse a cache's name that would be no file name.

    Raises:
        UsageError: it is none.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"the cache's name {name!r} has other characters than letters, digits, '.', '_', '-'",
            "name it with --name",
        )


def require_harmless(description: Description) -> None:
    """Refuse what would do more than name a cache, its keys and its profiles.

    Raises:
        ClientError: naming the first such thing.
    """
    _require_url(description.read_url)
    for key in description.public_keys:
        try:
            signing.parse_public_key(key)
        except signing.KeyFormatError as mistake:
            raise ClientError(f"the public key {key!r} is none: {mistake}", _FIX) from None
        if not _WORD.fullmatch(key):
            raise ClientError(f"the public key {key!r} has blanks around it", _FIX)
    for user, profile in description.profiles.items():
        if not _NAME.fullmatch(profile):
            raise ClientError(f"the profile {profile!r} of {user!r} is no profile's name", _FIX)


def require_one_word(user: str, credential: Credential) -> None:
    """Refuse a credential that would be more than two values.

    Raises:
        ClientError: it would. The message has nothing of it.
    """
    if not all(map(_WORD.fullmatch, (credential.access_key_id, credential.secret_access_key))):
        raise ClientError(
            f"the credential of {user} has blanks or other characters that no key pair has",
            "look at the output `credentials` of the stack",
        )


def _require_url(url: str) -> None:
    if not _URL.fullmatch(url):
        raise ClientError(f"the read URL {url!r} is no URL of a cache", _FIX)
    if "trusted" in parse_qs(urlsplit(url).query, keep_blank_values=True):
        raise ClientError(
            f"the read URL {url} has the parameter `trusted`, which lets unsigned paths in", _FIX
        )
