"""As whom this machine pushes: the cache, the writer, and the key that they sign with."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nix_cache.cli.caches import manifest_rules
from nix_cache.cli.caches.record import Record, find, known_records
from nix_cache.cli.errors import ClientError, UsageError
from nix_cache.cli.machine import files
from nix_cache.cli.machine.places import system_place, user_place
from nix_cache.cli.nix.key_files import content_problem
from nix_cache.formats import signing
from nix_cache.formats.manifest import Manifest

SIGNING_KEY_FILE_VARIABLE = "NIX_CACHE_SIGNING_KEY_FILE"
"""Names the file with the writer's key for a service that gets a copy of it, as from systemd."""


@dataclass(frozen=True)
class Writer:
    """One who pushes and signs.

    Attributes:
        name: the writer's.
        record: the cache, as this machine uses it.
        key: what they sign with.
    """

    name: str
    record: Record
    key: signing.SecretKey

    @property
    def manifest(self) -> Manifest:
        """The cache."""
        return self.record.manifest

    @property
    def current_keys(self) -> frozenset[str]:
        """The names of the keys with which the cache's writers sign now.

        A manifest that names none, such as a published one, has no earlier keys that are known.
        """
        names = self.manifest.key_names.values() or map(signing.name_of, self.manifest.public_keys)
        return frozenset({self.key.name, *names})

    @property
    def profile(self) -> str:
        """The credentials profile that the push URL names; nothing if it names none."""
        return self.manifest.profiles.get(self.name, "")


def find_writer(cache: str | None, environment: Mapping[str, str] = os.environ) -> Writer:
    """Return the writer as whom this machine pushes to a cache.

    Args:
        cache: its name; None for the only one where this machine is a writer.
        environment: the process's.

    Raises:
        UsageError: no such cache is in use, or this machine only reads it, or there are several.
        ClientError: the key is missing or cannot be the right one. Nothing is pushed unsigned.
    """
    return as_writer(find_writer_record(cache, environment), environment)


def as_writer(record: Record, environment: Mapping[str, str] = os.environ) -> Writer:
    """Return the writer of a cache in use.

    Args:
        record: the cache.
        environment: the process's, which may name another file with the key.

    Raises:
        UsageError: this machine only reads the cache.
        ClientError: the key is missing or cannot be the right one.
    """
    writer, manifest = record.writer, record.manifest
    if writer is None:
        raise UsageError(
            f"this machine only reads the cache {record.name}",
            f"run `{record.use_command('--as', 'WRITER')}` with one of: "
            f"{', '.join(sorted(manifest.push_urls)) or 'the writers of the stack'}",
        )
    again = f"run `{record.use_command('--as', writer)}` with the stack's secrets"
    if writer not in manifest.push_urls:
        raise ClientError(
            f"the cache {record.name} has no writer {writer} any more",
            f"run `{record.use_command('--as', 'WRITER')}` with one of: "
            f"{', '.join(sorted(manifest.push_urls))}",
        )
    manifest_rules.require_push_url(manifest, writer)
    given = environment.get(SIGNING_KEY_FILE_VARIABLE)
    file = Path(given) if given else record.signing_key_file
    if file is None:
        raise ClientError(
            f"no signing key of {writer} was brought to this machine, and readers refuse what is "
            "not signed",
            again,
        )
    if given:
        again = f"set {SIGNING_KEY_FILE_VARIABLE} to the file with the key of {writer}"
    key = read_key(file, again)
    _require_trusted(key, writer, record, file, again)
    return Writer(writer, record, key)


def read_key(file: Path, fix: str) -> signing.SecretKey:
    """Read a signing key.

    Raises:
        ClientError: there is none that can be read.
    """
    content = files.read(file)
    if content is None:
        raise ClientError(f"the signing key {file} is gone", fix)
    if problem := content_problem(content):
        raise ClientError(f"{file} holds no signing key: {problem}", fix)
    try:
        return signing.parse_secret_key(content.decode(errors="replace"))
    except signing.KeyFormatError as mistake:
        raise ClientError(f"{file} holds no signing key: {mistake}", fix) from None


def _require_trusted(
    key: signing.SecretKey, writer: str, record: Record, file: Path, fix: str
) -> None:
    wanted = record.manifest.key_names.get(writer)
    if wanted is not None and key.name != wanted:
        raise ClientError(
            f"{file} holds the key {key.name}, and {writer} signs with {wanted}",
            fix,
        )
    if key.public_text not in record.manifest.public_keys:
        raise ClientError(
            f"the key {key.name} in {file} is not among the public keys of the "
            f"cache {record.name}, so readers would not trust its signatures",
            fix,
        )


def find_writer_record(cache: str | None, environment: Mapping[str, str] = os.environ) -> Record:
    """Return the cache that is pushed to: the named one, or the only one with a writer here.

    Raises:
        UsageError: there is none, or there are several to choose from.
        ClientError: a record cannot be read.
    """
    if cache is None:
        known = known_records([user_place(environment), system_place(environment)])
        writable = [record.name for record in known.values() if record.writer is not None]
        if len(writable) == 1:
            return known[writable[0]]
        if writable:
            raise UsageError(
                f"this machine is a writer of several caches: {', '.join(writable)}",
                "name one with --cache",
            )
    return find(cache, environment)
