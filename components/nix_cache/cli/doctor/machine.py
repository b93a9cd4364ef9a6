"""This machine: does its nix.conf let it use the cache, and does the daemon find credentials?"""

import json
import stat
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from nix_cache.cli.caches.record import all_records
from nix_cache.cli.doctor.finding import Finding, error, not_checked, ok, warning
from nix_cache.cli.doctor.subject import Subject
from nix_cache.cli.machine.places import default_place, system_place, user_place
from nix_cache.cli.nix import program
from nix_cache.cli.nix.conf_includes import IncludeMistake, mistakes_in
from nix_cache.cli.nix.installation import Trust, obstacles, trust
from nix_cache.cli.s3.credentials import profile_in
from nix_cache.formats.signing import name_of

_USE = "run `nix-cache use` with the cache's source"


def settings(subject: Subject) -> Iterator[Finding]:
    """Yield whether this machine's nix.conf lets it use the cache."""
    mistakes = list(_includes(subject))
    for mistake in mistakes:
        yield error(f"{mistake.where} {mistake.problem}", "Nix cannot read nix.conf", mistake.fix)
    text = program.output([*program.NIX, "config", "show", "--json"], subject.environment)
    config = effective(text) if text is not None else None
    if config is None:
        if not mistakes:
            yield not_checked("nix.conf", "there is no Nix on PATH that can show its settings")
        return
    yield from judged(config, subject)
    yield from _trust(subject)
    yield from _store(subject)


def effective(text: str) -> dict[str, Any] | None:
    """Return the settings that ``nix config show --json`` printed, by name; None if it did not."""
    try:
        return {name: entry["value"] for name, entry in json.loads(text).items()}
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
        return None


def judged(config: Mapping[str, Any], subject: Subject) -> Iterator[Finding]:
    """Yield whether settings are those that the cache needs.

    Args:
        config: the effective settings, by name.
        subject: the cache.
    """
    url = subject.manifest.read_url
    is_used = any(same_cache(url, other) for other in config.get("substituters", ()))
    if not is_used and subject.record is None:
        yield not_checked("nix.conf", "this machine does not use the cache", _USE)
        return
    if is_used:
        yield ok("nix.conf names the cache as a substituter")
    else:
        yield error(
            f"nix.conf does not name the substituter {url}",
            "Nix never asks the cache, although `nix-cache use` was run here",
            f"look for a later `substituters =` in nix.conf or NIX_CONFIG, or {_USE} again",
            _in_the_way(subject),
        )
    yield from _keys(config, subject)
    if not config.get("require-sigs", True):
        yield warning(
            "nix.conf has require-sigs = false",
            "this machine accepts unsigned paths from every substituter",
            "remove that line",
        )


def credentials(subject: Subject) -> Iterator[Finding]:
    """Yield whether the daemon finds the credentials of a private cache, and other users do not."""
    if subject.manifest.public or subject.record is None:
        return
    profile = parse_qs(urlsplit(subject.manifest.read_url).query).get("profile", ["default"])[0]
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
            "run `nix-cache use --system` with the stack or its outputs with --show-secrets",
        )
    elif mode & 0o077:
        yield error(
            f"{file} has the mode {mode:04o}",
            "all users of this machine can read the credentials",
            f"chmod 600 {file}",
        )
    else:
        yield ok(f"the daemon finds the profile {profile} in {file}, which only root can read")


def same_cache(url: str, other: str) -> bool:
    """Return whether two URLs are of one cache. Of S3 URLs, bucket and endpoint count."""
    try:
        mine, theirs = urlsplit(url), urlsplit(other)
    except ValueError:  # a substituter that Nix cannot read either
        return url == other
    if mine.scheme != "s3" or theirs.scheme != "s3":
        return url.rstrip("/") == other.rstrip("/")
    endpoints = (parse_qs(parts.query).get("endpoint") for parts in (mine, theirs))
    return mine.netloc == theirs.netloc and len({*map(str, endpoints)}) == 1


def _includes(subject: Subject) -> Iterator[IncludeMistake]:
    places = (system_place(subject.environment), user_place(subject.environment))
    for path in dict.fromkeys(place.nix_conf for place in places):
        yield from mistakes_in(path)


def _in_the_way(subject: Subject) -> Iterator[str]:
    """Yield the lines that undo the cache's settings."""
    for obstacle in obstacles(default_place(subject.environment), subject.environment):
        yield f"{obstacle.where} {obstacle.problem}"


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
    yield error(what, "paths that are signed with these keys are refused", f"{_USE} again", missing)


def _trust(subject: Subject) -> Iterator[Finding]:
    """Who is not trusted by the daemon adds substituters in vain."""
    if subject.record is None or subject.record.name not in {
        record.name for record in all_records(user_place(subject.environment))
    }:
        return
    match trust(subject.environment):
        case Trust.TRUSTED:
            yield ok("the daemon trusts this user, so their nix.conf counts")
        case Trust.UNKNOWN:
            yield not_checked("whether the daemon trusts this user", "Nix did not report it")
        case Trust.UNTRUSTED:
            yield error(
                "the daemon does not trust this user, whose own nix.conf names the cache",
                "it ignores substituters and keys of users that it does not trust",
                "run `sudo nix-cache use --system`, or add the user to trusted-users in "
                "/etc/nix/nix.conf",
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
