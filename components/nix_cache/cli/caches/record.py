"""What this machine knows of the caches that it uses: one JSON file for each, without secrets."""

import json
import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from nix_cache.cli.errors import ClientError, UsageError
from nix_cache.cli.machine import files
from nix_cache.cli.machine.places import Place, system_place, user_place
from nix_cache.formats.manifest import Manifest

MOST_TIMEOUT_SECONDS = 300
"""What curl takes without a setting."""


class Record(BaseModel):
    """A cache that is in use here.

    Attributes:
        name: under which it is used; that of its files.
        manifest: the cache, as it was when ``nix-cache use`` ran last.
        writer: as whom this machine pushes; None if it only reads.
        reader: whose credential a private cache is read with; None if no reader was named.
        signing_key_file: the writer's secret key, an absolute path.
        credentials_file: where its credentials are, if the environment named a file for them.
        source: what was given to ``nix-cache use``; None for standard input.
        connect_timeout_seconds: Nix's ``connect-timeout`` as it was asked for; 0 if it was not.
        fallback: whether Nix's ``fallback`` was asked for.
        push_only: whether nix.conf does not name the cache.
    """

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True
    )

    name: str = Field(exclude=True)
    manifest: Manifest = Field(alias="description")
    """Files of 0.1.0 have it under this name, and clients of 0.1.0 read it there."""
    writer: str | None = None
    reader: str | None = None
    signing_key_file: Path | None = None
    credentials_file: Path | None = None
    source: str | None = None
    connect_timeout_seconds: int = Field(default=0, ge=0, le=MOST_TIMEOUT_SECONDS)
    fallback: bool = False
    push_only: bool = False

    @property
    def source_with_secrets(self) -> str:
        """What to give to ``nix-cache use`` for keys, in messages. A URL never brings any."""
        return "STACK" if self.source is None or "://" in self.source else self.source

    def use_command(self, *options: str) -> str:
        """Return the command, quoted for a shell, that brings this cache's secrets here.

        Args:
            options: further ones, such as ``--as``.
        """
        words = ["nix-cache", "use", self.source_with_secrets, "--name", self.name, *options]
        return shlex.join(words)


def text(record: Record) -> bytes:
    """Return a record as it stands in its file."""
    content = record.model_dump(mode="json", by_alias=True)
    return (json.dumps(content, indent=2, sort_keys=True) + "\n").encode()


def save(place: Place, record: Record) -> None:
    """Write a record.

    Raises:
        ClientError: its file cannot be written.
    """
    files.write(place.record(record.name), text(record), files.PUBLIC_FILE)


def load(place: Place, name: str) -> Record | None:
    """Read the record of one cache; None if the place has none of that name.

    Raises:
        ClientError: there is one that cannot be read.
    """
    path = place.record(name)
    content = files.read(path)
    if content is None:
        return None
    try:
        return Record.model_validate({**json.loads(content), "name": name})
    except (ValueError, TypeError, RecursionError):
        raise ClientError(
            f"{path} is no record of a cache",
            f"run `nix-cache use SOURCE --name {shlex.quote(name)}` with its source",
        ) from None


def all_records(place: Place) -> list[Record]:
    """Return the records of a place, by name.

    Raises:
        ClientError: one of them cannot be read.
    """
    names = sorted(path.stem for path in place.folder.glob("*.json"))
    return [found for name in names if (found := load(place, name)) is not None]


def find(name: str | None, environment: Mapping[str, str] = os.environ) -> Record:
    """Return the record that a command is about: the user's own, or else the machine's.

    Args:
        name: the cache's name; None if the user named none, which is fine if there is only one.
        environment: the process's.

    Raises:
        UsageError: there is none, or there are several to choose from.
        ClientError: one cannot be read.
    """
    known = known_records([user_place(environment), system_place(environment)])
    if name in known:
        return known[name]
    use = "run `nix-cache use SOURCE` first, with a URL, a stack or a file with its outputs"
    if name is not None:
        others = f"name one of these: {', '.join(known)}; or " if known else ""
        raise UsageError(f"no cache {name} is in use on this machine", f"{others}{use}")
    match list(known.values()):
        case [only]:
            return only
        case []:
            raise UsageError("no cache is in use on this machine", use)
        case _:
            raise UsageError(
                f"several caches are in use on this machine: {', '.join(known)}",
                "name one with --cache",
            )


def known_records(places: Sequence[Place]) -> dict[str, Record]:
    """All records by name; of two with one name, that of the earlier place.

    Raises:
        ClientError: one cannot be read.
    """
    known: dict[str, Record] = {}
    for place in places:
        for found in all_records(place):
            known.setdefault(found.name, found)
    return dict(sorted(known.items()))
