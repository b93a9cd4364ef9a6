"""The secrets that `nix-cache use` brings to this machine: a signing key and key pairs.

Reads files and writes none.
"""

from collections.abc import Iterator
from pathlib import Path

from nix_cache.cli.caches import record
from nix_cache.cli.caches.record import Record
from nix_cache.cli.caches.source import Source
from nix_cache.cli.errors import ClientError, UsageError
from nix_cache.cli.machine import files, masking
from nix_cache.cli.machine.files import FileChange
from nix_cache.cli.machine.places import Place
from nix_cache.cli.s3.credentials import AwsFiles, Credential, aws_files, login_of
from nix_cache.cli.use import credentials_file, safety
from nix_cache.formats import signing
from nix_cache.formats.manifest import Manifest

_LONGEST_KEY_NAME = 200
WITH_SECRETS = (
    "give all outputs of the stack with their secrets: name the stack, or "
    "`pulumi stack output --json --show-secrets | nix-cache use -`"
)


def old_key_removal(
    place: Place, previous: Record | None, key_file: Path | None
) -> Iterator[FileChange]:
    """Remove the key of an earlier run, unless it is still named: by this cache or another."""
    old = previous.signing_key_file if previous else None
    if previous is None or old is None or old == key_file:
        return
    if old != place.signing_key(old.stem).absolute():
        return
    if (content := files.read(old)) is not None and old not in _keys_of_others(place, previous):
        yield FileChange(old, content, None, mask=masking.signing_key_line)


def signing_key(source: Source, writer: str | None, *, required: bool) -> signing.SecretKey | None:
    """Return a writer's secret key; None without a writer or without an optional key.

    Args:
        source: the cache.
        writer: their name.
        required: whether the source has to have it, because it was not brought here before.

    Raises:
        UsageError: the cache has no such writer.
        ClientError: the key is missing, or is not one of the cache's.
    """
    manifest = source.manifest
    if writer is None:
        return None
    if writer not in manifest.push_urls:
        raise UsageError(
            f"the cache {manifest.bucket} has no writer {writer!r}",
            f"take one of these with --as: {', '.join(sorted(manifest.push_urls))}",
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
            f"the signing key of the writer {writer} is not a key: {mistake}",
            "look at the output `signingKeys` of the stack",
        ) from None
    if key.public_text not in manifest.public_keys:
        raise ClientError(
            f"the signing key {key.name} of the writer {writer} is not among the cache's public "
            "keys, so clients would refuse what it signs",
            "take the outputs of one and the same stack, after `pulumi up`",
        )
    return key


def janitors(manifest: Manifest, *, wanted: bool) -> list[str]:
    """Return the janitor whose credential is brought here, if that is wanted.

    Raises:
        UsageError: the cache has no janitor.
    """
    if not wanted:
        return []
    if manifest.janitor is None:
        raise UsageError(
            f"the cache {manifest.bucket} has no janitor",
            "set `janitor` to true in its stack, run `pulumi up`, then run this again",
        )
    return [manifest.janitor]


def stale_key(manifest: Manifest, writer: str | None, key_file: Path) -> Iterator[str]:
    """Report a key on this machine that is not the writer's current one."""
    current = manifest.key_names.get(writer or "")
    if current is not None and current != key_file.stem:
        yield (
            f"The writer {writer} signs with {current} now, and this machine still has "
            f"{key_file.stem}; to bring the new key here, {WITH_SECRETS}"
        )


def key_change(
    key: signing.SecretKey, place: Place, name: str, previous: Record | None
) -> Iterator[FileChange]:
    """Write a key into a separate file.

    Args:
        key: the writer's.
        place: whose settings these are.
        name: the cache's.
        previous: what is known of it from an earlier run.

    Raises:
        ClientError: nix.conf cannot name the file, or it holds a key that is not this cache's.
    """
    if not signing.KEY_NAME.fullmatch(key.name) or len(key.name) > _LONGEST_KEY_NAME:
        raise ClientError(
            f"the signing key's name {key.name[:_LONGEST_KEY_NAME]!r} cannot be a file name",
            "give the writer a key with another name",
        )
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
    if change.before not in {None, change.after} and not _is_own_key(path, place, previous):
        raise ClientError(
            f"{path} exists and holds a key that was not brought here for the cache {name} alone; "
            "nothing was changed",
            "move that file away if nothing uses it",
        )
    yield change


def _is_own_key(path: Path, place: Place, previous: Record | None) -> bool:
    """Return whether a key file was brought here for one cache and is used by no other."""
    return (
        previous is not None
        and previous.signing_key_file == path
        and path not in _keys_of_others(place, previous)
    )


def _keys_of_others(place: Place, cache: Record) -> set[Path | None]:
    others = (known for known in record.all_records(place) if known.name != cache.name)
    return {other.signing_key_file for other in others}


def replaced_profiles(source: Source, place: Place, users: list[str]) -> list[str]:
    """Return the profiles of users that exist with another key pair.

    Raises:
        ClientError: the credentials file cannot be read.
    """
    text = files.read(place.credentials) or b""
    return [
        source.manifest.profiles[user]
        for user in dict.fromkeys(users)
        if (pair := source.credentials.get(user)) is not None
        and pair.secret_access_key
        and credentials_file.holds_other(text, source.manifest.profiles[user], pair)
        and not _login(source.manifest.profiles[user], place)
    ]


def named_file(place: Place, previous: Record | None, *, is_written: bool) -> Path | None:
    """Return the credentials file of a cache, if the environment names or named one.

    Args:
        place: whose settings these are.
        previous: what is known of the cache from an earlier run.
        is_written: whether credentials are written now.
    """
    if not is_written:
        return previous.credentials_file if previous else None
    path = place.credentials.absolute()
    return None if place.system or path == aws_files()[-1].credentials.absolute() else path


def credentials_files(place: Place, cache: Record | None) -> list[Path]:
    """Return the files that may have profiles of a cache, each once."""
    paths = [each.credentials for each in _looked_in(place)]
    if cache is not None and cache.credentials_file is not None:
        paths.append(cache.credentials_file)
    return list(dict.fromkeys(paths))


def _looked_in(place: Place) -> tuple[AwsFiles, ...]:
    """Where the credentials of a place are looked for: the daemon has no variables of a shell."""
    if place.system:
        return (AwsFiles(place.credentials.with_name("config"), place.credentials),)
    return aws_files()


def credentials_change(
    source: Source, place: Place, name: str, users: list[str], remarks: list[str]
) -> Iterator[FileChange]:
    """Write the profiles of users, and report those that were left as they are.

    A profile that logs in by other means than a key pair is left: its user chose that.

    Raises:
        ClientError: a credential is missing, or its profile was not written for this cache.
    """
    if not users:
        return
    before = text = files.read(place.credentials)
    for user in dict.fromkeys(users):
        credential = source.credentials.get(user)
        if credential is None:
            raise ClientError(f"the source has no credential of {user}", WITH_SECRETS)
        profile = source.manifest.profiles[user]
        if login := _login(profile, place):
            remarks.append(
                f"The profile {profile} logs in by {login}. It is used as it is: the stack's key "
                f"pair of {user} is not written."
            )
            continue
        if credential.secret_access_key == "":
            _require_profile(text, profile, user, credential, place)
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


def other_logins(
    manifest: Manifest, place: Place, users: list[str], previous: Record | None
) -> dict[str, str]:
    """Return how profiles of users log in without a key pair, by profile.

    A manifest could name any profile of the user's, so this is agreed to once.
    """
    known = set()
    if previous is not None:
        agreed = (previous.reader, previous.writer)
        known = {previous.manifest.profiles.get(user or "") for user in agreed}
    profiles = [manifest.profiles[user] for user in dict.fromkeys(users)]
    found = {profile: _login(profile, place) for profile in profiles if profile not in known}
    return {profile: login for profile, login in found.items() if login}


def _login(profile: str, place: Place) -> str | None:
    """Return how a profile logs in without a key pair, and the file; None if it does not."""
    for each in _looked_in(place):
        if found := login_of(profile, each):
            return f"{found[0]} in {found[1]}"
    return None


def _require_profile(
    text: bytes | None, profile: str, user: str, credential: Credential, place: Place
) -> None:
    """Refuse a profile written by hand with another access key id than the stack's."""
    if not credentials_file.has_access_key(text or b"", profile, credential.access_key_id):
        raise ClientError(
            f"the stack does not know the secret of {user}, a user that it adopted, and "
            f"{place.credentials} has no profile {profile} with that user's access key id",
            "write that profile by hand, then run this again",
        )
