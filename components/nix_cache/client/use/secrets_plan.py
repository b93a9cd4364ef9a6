"""The secrets that `nix-cache use` brings to this machine: a signing key and key pairs.

Reads files and writes none.
"""

from collections.abc import Iterator
from pathlib import Path

from nix_cache import signing
from nix_cache.client import files, masking, record
from nix_cache.client.errors import ClientError, UsageError
from nix_cache.client.files import FileChange
from nix_cache.client.places import Place
from nix_cache.client.record import Record
from nix_cache.client.source import Credential, Source
from nix_cache.client.use import credentials_file, safety
from nix_cache.description import Description

WITH_SECRETS = (
    "give all outputs of the stack with their secrets: name the stack, or "
    "`pulumi stack output --json --show-secrets | nix-cache use -`"
)


def old_key_removal(
    place: Place, previous: Record | None, key_file: Path | None
) -> Iterator[FileChange]:
    """Remove the key of an earlier run, unless it is still named: by this cache or another."""
    old = previous.signing_key_file if previous else None
    if previous is None or old is None or old == key_file or old.parent != place.folder.absolute():
        return
    others = [known for known in record.all_records(place) if known.name != previous.name]
    if (content := files.read(old)) is not None and old not in {
        other.signing_key_file for other in others
    }:
        yield FileChange(old, content, None, mask=masking.signing_key_line)


def signing_key(source: Source, writer: str | None, *, required: bool) -> signing.SecretKey | None:
    """The secret key of a writer; None if there is no writer, or it need not be there and is not.

    Args:
        source: the cache.
        writer: their name.
        required: whether the source has to have it, because it was not brought here before.

    Raises:
        UsageError: the cache has no such writer.
        ClientError: the key is missing, or is not one of the cache's.
    """
    description = source.description
    if writer is None:
        return None
    if writer not in description.push_urls:
        raise UsageError(
            f"the cache {description.bucket} has no writer {writer!r}",
            f"take one of these with --as: {', '.join(sorted(description.push_urls))}",
        )
    text = source.signing_keys.get(writer)
    if text is None:
        if not required:
            return None
        raise ClientError(f"the source has no signing key of the writer {writer}", WITH_SECRETS)
    try:
        key = signing.parse_secret_key(text)
    except signing.KeyFormatError as mistake:
        raise ClientError(
            f"the signing key of the writer {writer} is no key: {mistake}",
            "look at the output `signingKeys` of the stack",
        ) from None
    if key.public_text not in description.public_keys:
        raise ClientError(
            f"the signing key {key.name} of the writer {writer} is not among the cache's public "
            "keys, so nobody would trust what it signs",
            "take the outputs of one and the same stack, after `pulumi up`",
        )
    return key


def stale_key(description: Description, writer: str | None, key_file: Path) -> Iterator[str]:
    """Tell when the key that was brought here is no longer the one that the writer has."""
    current = description.key_names.get(writer or "")
    if current is not None and current != key_file.stem:
        yield (
            f"The writer {writer} signs with {current} now, and this machine still has "
            f"{key_file.stem}; to bring the new key here, {WITH_SECRETS}"
        )


def key_change(
    key: signing.SecretKey, place: Place, previous: Record | None
) -> Iterator[FileChange]:
    """Write a key into a file of its own.

    Raises:
        ClientError: nix.conf cannot name the file, or it holds another key.
    """
    path = place.signing_key(key.name).absolute()
    if any(blank in str(path) for blank in " \t\r\n#"):
        raise ClientError(
            f"nix.conf cannot name the file {path}, whose path has a blank or '#'",
            "use another place: --system, or XDG_CONFIG_HOME",
        )
    change = FileChange(
        path,
        files.read(path),
        f"{key.secret_text}\n".encode(),
        files.PRIVATE_FILE,
        mask=masking.signing_key_line,
    )
    if change.before not in {None, change.after} and previous is None:
        raise ClientError(f"{path} holds another key already", "move that file away")
    yield change


def credentials_change(
    source: Source, place: Place, name: str, users: list[str], remarks: list[str]
) -> Iterator[FileChange]:
    """Write the profiles of users, and tell whose could not be written.

    Raises:
        ClientError: a credential is missing, or its profile is somebody else's.
    """
    if not users:
        return
    before = text = files.read(place.credentials)
    for user in dict.fromkeys(users):
        credential = source.credentials.get(user)
        if credential is None:
            raise ClientError(f"the source has no credential of {user}", WITH_SECRETS)
        profile = source.description.profiles[user]
        if credential.secret_access_key == "":
            _require_profile(text, profile, user, place)
            remarks.append(
                f"The stack does not know the secret of {user}, a user that it adopted: "
                f"the profile {profile} in {place.credentials} was left as it is."
            )
            continue
        text = _with_profile(text, name, profile, user, credential, place)
    if text is not None:
        yield FileChange(
            place.credentials,
            before,
            text,
            files.private_mode(place.credentials),
            folder_mode=files.PRIVATE_FOLDER,
            mask=masking.credentials_line,
        )


def _with_profile(
    text: bytes | None, name: str, profile: str, user: str, credential: Credential, place: Place
) -> bytes:
    safety.require_one_word(user, credential)
    try:
        return credentials_file.with_profile(text, name, profile, credential)
    except credentials_file.ForeignProfileError:
        raise ClientError(
            f"{place.credentials} has a profile {profile} already, with another content, that was "
            f"not written for the cache {name}",
            "rename or remove that profile if nothing uses it",
        ) from None


def _require_profile(text: bytes | None, profile: str, user: str, place: Place) -> None:
    if not credentials_file.has_profile(text or b"", profile):
        raise ClientError(
            f"the stack does not know the secret of {user}, a user that it adopted, and "
            f"{place.credentials} has no profile {profile}",
            "write that profile by hand, then run this again",
        )
