"""This machine: does its nix.conf let it use the cache, and does the daemon find credentials?"""

import os
import shlex
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from nix_cache.cli.caches import trusting
from nix_cache.cli.caches.record import all_records
from nix_cache.cli.caches.same_cache import same_cache
from nix_cache.cli.doctor.finding import Finding, error, not_checked, ok, warning
from nix_cache.cli.doctor.subject import Subject
from nix_cache.cli.machine.places import system_place, user_place
from nix_cache.cli.nix import conf_sources, daemon, effective, installation, program
from nix_cache.cli.nix.daemon import Trust
from nix_cache.cli.nix.obstacles import CacheNeeds, Obstacle, ObstacleKind, obstacles
from nix_cache.cli.s3.credentials import profile_in
from nix_cache.formats.signing import name_of

_WARNED = frozenset({ObstacleKind.UNSAFE, ObstacleKind.PROJECT, ObstacleKind.MISPLACED})
"""What does not defeat the cache for sure."""


def settings(subject: Subject) -> Iterator[Finding]:
    """Yield whether this machine's nix.conf lets it use the cache."""
    if not subject.reads_here:
        yield ok("this machine only pushes to the cache, so nix.conf does not name it")
        return
    environment = subject.environment
    answer = effective.shown(environment)
    read = conf_sources.all_settings(environment)
    mistakes = list(read.mistakes)
    if answer.failure and not mistakes:
        mistakes = [effective.located(read.lines, answer.failure, environment)]
    for mistake in mistakes:
        yield error(f"{mistake.where} {mistake.problem}", "Nix cannot use nix.conf", mistake.fix)
    if answer.settings is None:
        if not mistakes:
            yield not_checked("nix.conf", "there is no Nix on PATH that can show its settings")
        return
    yield from judged(answer.settings, subject)
    yield from _installation(subject)
    yield from _trust(subject)
    yield from _store(subject)


def judged(config: Mapping[str, Any], subject: Subject) -> Iterator[Finding]:
    """Yield whether settings are those that the cache needs.

    Args:
        config: the effective settings, by name.
        subject: the cache.
    """
    url = subject.manifest.read_url
    substituters = dict.fromkeys(config.get("substituters", ()))
    names = [other for other in substituters if same_cache(url, other)]
    found = _obstacles(subject)
    is_discarded = any(one.kind is ObstacleKind.LIST for one in found)
    if not names and not is_discarded and subject.record is None:
        yield from _not_in_use(subject)
        return
    yield from map(_in_the_way, found)
    if names:
        yield ok("nix.conf names the cache as a substituter")
    elif not is_discarded:
        yield error(
            f"nix.conf does not name the substituter {url}",
            "Nix never asks the cache, although `nix-cache use` was run here",
            f"look for a later `substituters =` in nix.conf or NIX_CONFIG, or {_use(subject)}",
        )
    if len(names) > 1:
        yield warning(
            "nix.conf names the cache in more than one spelling",
            "Nix asks it once for each",
            "keep one of these URLs",
            names,
        )
    yield from _keys(config, subject)


def credentials(subject: Subject) -> Iterator[Finding]:
    """Yield whether the daemon finds the credentials of a private cache, and other users do not."""
    if subject.manifest.public or subject.record is None:
        return
    profile = parse_qs(
        urlsplit(trusting.asked_url(subject.manifest, subject.environment)).query
    ).get("profile", ["default"])[0]
    file = system_place(subject.environment).credentials
    try:
        mode = stat.S_IMODE(file.stat().st_mode)
        is_there = profile_in(str(file), profile) is not None
    except FileNotFoundError:
        mode, is_there = 0o600, False
    except PermissionError:
        yield not_checked(
            f"the daemon's credentials in {file}", "only root can read them", "run doctor with sudo"
        )
        return
    if not is_there:
        yield error(
            f"{file} has no profile {profile}",
            "the daemon reads as root, and is refused without a credential",
            "run `nix-cache use SOURCE --system` with the stack or its outputs with --show-secrets",
        )
    elif mode & 0o077:
        yield error(
            f"{file} has the mode {mode:04o}",
            "all users of this machine can read the credentials",
            f"chmod 600 {file}",
        )
    else:
        yield ok(f"the daemon finds the profile {profile} in {file}, which only root can read")


def _obstacles(subject: Subject) -> list[Obstacle]:
    """Return the lines that undo the cache's settings, or let unsigned paths in."""
    manifest = subject.manifest
    wanted = CacheNeeds(lambda url: same_cache(url, manifest.read_url), manifest.public_keys)
    found = obstacles(wanted, subject.environment, Path())
    return [one for one in found if one.kind is not ObstacleKind.MISTAKE]  # reported before


def _in_the_way(found: Obstacle) -> Finding:
    report = warning if found.kind in _WARNED else error
    return report(f"{found.where}: {found.problem}", found.why, found.fix)


def _not_in_use(subject: Subject) -> Iterator[Finding]:
    if trusting.missing(subject.manifest, subject.environment):
        yield not_checked("nix.conf", "this machine does not use the cache", _use(subject))
    else:
        yield ok("the machine's nix.conf lets every user choose the cache as a substituter")


def _installation(subject: Subject) -> Iterator[Finding]:
    """Yield which Nix this machine has, and where its settings last."""
    place = system_place(subject.environment)
    version = program.output(["nix", "--version"], subject.environment) or ""
    kind = installation.recognise(place, version=version)
    maker = installation.generator(place, Path(subject.manifest.store_dir), chosen=True)
    if maker is not None:
        yield ok(f"the installation is {kind}; settings belong in its option {maker.attribute}")
    else:
        yield ok(
            f"the installation is {kind}; settings last in {installation.settings_file(place)}"
        )


def _use(subject: Subject) -> str:
    """Return the command that writes the cache's settings, or writes them again."""
    record, manifest = subject.record, subject.manifest
    if record is None:
        if not manifest.public:
            return "run `nix-cache use SOURCE` with the stack, or its outputs with --show-secrets"
        return f"run `{shlex.join(['nix-cache', 'use', manifest.read_url])}`"
    own = {one.name for one in all_records(user_place(subject.environment))}
    place = ["--user"] if record.name in own else ["--system"]
    command = ["nix-cache", "use", record.source or "-", "--name", record.name, *place]
    if record.name not in own and os.geteuid() != 0:
        command.insert(0, "sudo")
    feed = "" if record.source else "pulumi stack output --json --show-secrets | "
    return f"run `{feed}{shlex.join(command)}`"


def _keys(config: Mapping[str, Any], subject: Subject) -> Iterator[Finding]:
    trusted = set(config.get("trusted-public-keys", ()))
    missing = [key for key in subject.manifest.public_keys if key not in trusted]
    names = {name_of(key) for key in trusted}
    if not missing:
        yield ok("nix.conf trusts every key of the cache")
        return
    what = "nix.conf does not trust every key of the cache"
    if any(name_of(key) in names for key in missing):
        what = "nix.conf trusts other keys with the same names"
    yield error(what, "paths that are signed with these keys are refused", _use(subject), missing)


def _trust(subject: Subject) -> Iterator[Finding]:
    """Yield whether a user's own settings count, where the cache is in use by a user."""
    if subject.record is None or subject.record.name not in {
        record.name for record in all_records(user_place(subject.environment))
    }:
        return
    lacking = trusting.missing(subject.manifest, subject.environment)
    place = system_place(subject.environment)
    where = installation.settings_file(place)
    match daemon.trust(subject.environment):
        case Trust.TRUSTED:
            yield ok("the daemon trusts this user, so their nix.conf counts")
        case _ if not lacking:
            yield ok(f"{place.nix_conf} lets every user choose the cache and trusts its keys")
        case Trust.UNKNOWN:
            yield not_checked("whether the daemon trusts this user", "Nix did not report it")
        case Trust.UNTRUSTED:
            yield error(
                "the daemon does not trust this user, whose own nix.conf names the cache",
                "it ignores substituters and keys of users that it does not trust",
                f"as root add these lines to {where}. {daemon.restart_order()}",
                lacking,
            )


def _store(subject: Subject) -> Iterator[Finding]:
    command = [*program.NIX, "eval", "--raw", "--expr", "builtins.storeDir"]
    here, there = program.output(command, subject.environment), subject.manifest.store_dir
    if here is None:
        yield not_checked("the store's folder", "Nix could not be asked for it")
    elif here == there:
        yield ok(f"the store is {here} here as in the cache")
    else:
        yield error(
            f"the store is {here} here, but {there} in the cache",
            "Nix passes over caches of another store",
            "use a cache of this store: its stack's storeDir",
        )
