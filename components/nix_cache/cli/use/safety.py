"""Names under which a cache gets files on this machine. Reads folders and writes nothing."""

import re

from nix_cache.cli.errors import ClientError, UsageError
from nix_cache.cli.machine.places import Place, hook_name
from nix_cache.cli.s3.credentials import Credential
from nix_cache.formats import signing

_NAME = signing.KEY_NAME
_WORD = re.compile(r"[!-~]+")
_LONGEST_NAME = 100
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?")
_HOOK_SUFFIX = hook_name("")


def require_name(name: str) -> None:
    """Refuse a cache's name whose files could not be distinguished from others.

    Raises:
        UsageError: it is not a file name, or that of something else.
    """
    fix = "name it with --name"
    if not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
        raise UsageError(
            f"the cache's name {name[:_LONGEST_NAME]!r} has other characters than letters, "
            f"digits, '.', '_', '-', or more than {_LONGEST_NAME} of them",
            fix,
        )
    if name.lower().endswith(_HOOK_SUFFIX):
        raise UsageError(
            f"the cache's name {name!r} ends with {_HOOK_SUFFIX}, which is reserved for the files "
            "of other caches' hooks",
            fix,
        )
    if _DEVICES.fullmatch(name.lower()) or name.endswith("."):
        raise UsageError(f"the cache's name {name!r} is reserved by some operating systems", fix)


def require_free_name(place: Place, name: str) -> None:
    """Refuse a name that differs from another cache's only in letter case.

    Some file systems take the files of both for the same.

    Raises:
        UsageError: it does.
    """
    files = [*place.folder.glob("*.json"), *place.folder.glob("*.conf")]
    for other in sorted(file.stem for file in files):
        if other != name and other.casefold() == name.casefold():
            raise UsageError(
                f"the cache's name {name!r} differs from {other!r}, which is in use, only in "
                "letter case",
                "name it with --name",
            )


def require_store_elsewhere(place: Place, store_dir: str) -> None:
    """Refuse a store that would hold this machine's own configuration.

    Raises:
        ClientError: it would.
    """
    if place.nix_conf.absolute().is_relative_to(store_dir):
        raise ClientError(
            f"the cache's storeDir {store_dir} contains {place.nix_conf}, so it is not a Nix store",
            "do not use this cache before its owner has explained that",
        )


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
