"""One run of `nix-cache doctor`: whom it asks about what, and what comes of it."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nix_cache.cli.caches.target import Target, find_target
from nix_cache.cli.commands import StackPlace, completed
from nix_cache.cli.doctor import report
from nix_cache.cli.doctor.checks import Result, all_checks, examine
from nix_cache.cli.doctor.finding import Level
from nix_cache.cli.doctor.paths import Wanted
from nix_cache.cli.doctor.subject import Subject
from nix_cache.cli.errors import ClientError, UsageError
from nix_cache.cli.machine import console
from nix_cache.cli.machine.progress import Progress
from nix_cache.cli.nix.store_paths import hashes_in, named_hash
from nix_cache.cli.s3.credentials import (
    Credential,
    Identity,
    find,
    owner_identity,
    profile_identity,
)
from nix_cache.cli.s3.errors import NoCredentialError


@dataclass(frozen=True)
class DoctorRequest:
    """What was asked for.

    Attributes:
        cache: the name of a cache in use here, or a source; None for the one in use.
        project: the folder of the stack's program; the current one if None.
        users: whose rights are looked at; all if empty.
        owner: a credentials profile of the bucket's owner.
        count: how many paths are looked at; None for all.
        paths_from: a file of store paths to look at.
        named: store paths to look at.
        deep: whether NARs are downloaded.
    """

    cache: str | None
    project: Path | None
    users: tuple[str, ...]
    owner: str | None
    count: int | None
    paths_from: Path | None
    deep: bool
    named: tuple[str, ...] = ()


def run(request: DoctorRequest, *, as_json: bool) -> bool:
    """Look, and print what was found.

    Returns:
        whether there was no error.

    Raises:
        UsageError: the request makes no sense.
        ClientError: the source cannot be read.
    """
    target = find_target(request.cache, request.project, secrets=True)
    subject = _subject(target, request.users, request.owner)
    named = _named(request)
    if request.count is None and subject.owner is None and named is None:
        raise UsageError(
            "--all requires a list of all paths, which only the bucket's owner can read",
            "add --owner with a profile of the owner, or name store paths: --path or --paths-from",
        )
    wanted = Wanted(
        count=request.count,
        named=named,
        deep=request.deep,
    )
    with Progress() as progress:
        subject.progress = lambda text: progress.tell(f"looking at {text}")
        results = [
            _completed(result, target.stack)
            for result in examine(subject, all_checks(wanted), subject.progress)
        ]
    if as_json:
        console.document(report.document(results))
    else:
        report.table(results)
    return not any(result.finding.level is Level.ERROR for result in results)


def _completed(result: Result, place: StackPlace | None) -> Result:
    """Let the fix name the stack that is meant."""
    finding = replace(result.finding, fix=completed(result.finding.fix, place))
    return replace(result, finding=finding)


def _named(request: DoctorRequest) -> tuple[str, ...] | None:
    """Return the hashes of the paths to look at; None if none were named."""
    if not (request.named or request.paths_from):
        return None
    listed = hashes_in(request.paths_from) if request.paths_from else ()
    given = (named_hash(text, "--path") for text in request.named)
    return tuple(dict.fromkeys([*given, *listed]))


def _subject(target: Target, users: Sequence[str], owner: str | None) -> Subject:
    manifest = target.manifest
    known = manifest.users
    for user in users:
        if user not in known:
            raise UsageError(
                f"{user} is neither a writer nor a reader of the cache, nor its janitor",
                f"name one of: {', '.join(known)}"
                if known
                else "name the cache in use here or its stack: a URL names no writers or readers",
            )
    if owner is not None:
        target.require_place_for_owner()
    credentials: dict[str, Credential | Identity] = {}
    lacking: dict[str, ClientError] = {}
    for user in known:
        try:
            found = _credential(user, target, named=user in users)
        except NoCredentialError as failure:
            lacking[user] = failure
        else:
            if found is not None:
                credentials[user] = found
    for user in users:
        if user not in credentials and user not in lacking:
            profile = target.profile(user, named=True) or manifest.profiles.get(user, user)
            raise UsageError(
                f"no credential of {user} was found, neither in the source nor in a profile "
                f"{profile}",
                "give a stack, or its outputs with --show-secrets",
            )
    return Subject(
        manifest=manifest,
        credentials=credentials,
        lacking=lacking,
        users=tuple(users) or known,
        owner=owner_identity(owner) if owner else None,
        record=target.record,
        is_agreed=target.is_agreed,
        environment=os.environ,
    )


def _credential(user: str, target: Target, *, named: bool) -> Credential | Identity | None:
    """Return a user's credential: the source's if it has the secret, else this machine's.

    As the writer of this machine, doctor signs with what a push would sign with.
    """
    pair = target.source.credentials.get(user)
    if pair and pair.secret_access_key:
        return pair
    profile = target.profile(user, named=named)
    record = target.record
    if record is not None and record.writer == user and user not in record.manifest.profiles:
        return find("")
    also = record.credentials_file if record else None
    return profile_identity(profile, also) if profile else None
