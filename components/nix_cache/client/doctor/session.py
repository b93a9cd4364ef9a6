"""One run of `nix-cache doctor`: whom it asks about what, and what comes of it."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nix_cache.client import console, source
from nix_cache.client.doctor import report
from nix_cache.client.doctor.checks import all_checks, examine
from nix_cache.client.doctor.finding import Level
from nix_cache.client.doctor.paths import Wanted, hashes_in
from nix_cache.client.doctor.subject import Subject, profile_credential
from nix_cache.client.errors import UsageError
from nix_cache.client.places import system_place, user_place
from nix_cache.client.progress import Progress
from nix_cache.client.record import Record, find, known_records
from nix_cache.client.source import Credential, Source
from nix_cache.description import Description


@dataclass(frozen=True)
class Request:
    """What was asked for.

    Attributes:
        cache: the name of a cache in use here, or a source; None for the one in use.
        project: the folder of the stack's program; the current one if None.
        users: whose rights are looked at; all if empty.
        owner: a credentials profile of the bucket's owner.
        count: how many paths are looked at; None for all.
        paths_from: a file of store paths to look at.
        deep: whether NARs are downloaded.
    """

    cache: str | None
    project: Path | None
    users: tuple[str, ...]
    owner: str | None
    count: int | None
    paths_from: Path | None
    deep: bool


def run(request: Request, *, as_json: bool) -> bool:
    """Look, and print what was found.

    Returns:
        whether there was no error.

    Raises:
        UsageError: the request makes no sense.
        ClientError: the source cannot be read.
    """
    target = _target(request.cache, request.project)
    subject = _subject(target, request.users, request.owner)
    if request.count is None and subject.owner is None and request.paths_from is None:
        raise UsageError(
            "--all needs to know which paths there are, and nobody but the owner may list them",
            "give --owner with a profile of theirs, or --paths-from with a file of store paths",
        )
    wanted = Wanted(
        count=request.count,
        told=hashes_in(request.paths_from) if request.paths_from else None,
        deep=request.deep,
    )
    with Progress() as progress:
        subject.progress = lambda text: progress.tell(f"looking at {text}")
        results = list(examine(subject, all_checks(wanted), subject.progress))
    if as_json:
        console.document(report.document(results))
    else:
        report.table(results)
    return not any(result.finding.level is Level.ERROR for result in results)


@dataclass(frozen=True)
class _Target:
    """A cache, with what the source and this machine know of it."""

    source: Source
    record: Record | None


def _target(name: str | None, project: Path | None) -> _Target:
    """What was named: a cache in use here, or a source."""
    known = known_records([user_place(), system_place()])
    if name is None or (name in known and not Path(name).is_file()):
        record = find(name)
        return _Target(Source(record.description), record)
    loaded = source.load(name, secrets=True, project=project)
    description = loaded.description
    used = (one for one in known.values() if _is_same(one.description, description))
    return _Target(loaded, next(used, None))


def _is_same(one: Description, other: Description) -> bool:
    return (one.bucket, one.endpoint) == (other.bucket, other.endpoint)


def _subject(target: _Target, users: Sequence[str], owner: str | None) -> Subject:
    description = target.source.description
    known = tuple(dict.fromkeys([*description.push_urls, *description.readers]))
    credentials = {
        user: pair for user in known if (pair := _credential(user, target.source)) is not None
    }
    for user in users:
        if user not in known:
            raise UsageError(
                f"{user} is neither a writer nor a reader of the cache",
                f"name one of: {', '.join(known)}",
            )
        if user not in credentials:
            profile = description.profiles.get(user, user)
            raise UsageError(
                f"no credential of {user} was found, neither in the source nor in a profile "
                f"{profile}",
                "give a stack, or its outputs with --show-secrets",
            )
    owners_pair = profile_credential(owner) if owner else None
    if owner and owners_pair is None:
        raise UsageError(
            f"there is no profile {owner} with a key pair in the credentials file",
            "add it to ~/.aws/credentials, or name another",
        )
    return Subject(
        description=description,
        credentials=credentials,
        users=tuple(users) or known,
        owner=owners_pair,
        record=target.record,
        environment=os.environ,
    )


def _credential(user: str, given: Source) -> Credential | None:
    """A user's key pair: the source's own if it knows the secret, else this machine's profile."""
    pair = given.credentials.get(user)
    if pair and pair.secret_access_key:
        return pair
    return profile_credential(given.description.profiles.get(user, user))
