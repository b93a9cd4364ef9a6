"""What this machine's Nix remembers of the cache that is no longer so."""

import os
import random
import shlex
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from nix_cache.cli.doctor.finding import Finding, error, not_checked, ok, warning
from nix_cache.cli.doctor.path_check import MISSING_STATUSES, PathCheck
from nix_cache.cli.doctor.paths import Wanted
from nix_cache.cli.doctor.subject import WORKERS, Subject
from nix_cache.cli.machine.parallel import in_parallel
from nix_cache.cli.machine.sizes import counted
from nix_cache.cli.nix import effective, program
from nix_cache.cli.nix.lookup_memory import (
    NEGATIVE_TTL,
    POSITIVE_TTL,
    Memory,
    RememberedAnswer,
    memories,
)
from nix_cache.cli.s3.client import S3Client
from nix_cache.formats.nar_url import ElsewhereError, InvalidUrlError, NarUrl

_WHAT = "what Nix remembers of the cache"
_MOST_ABSENCES = 200
"""Where no paths were named, only the latest absences are looked for in the cache."""

_WHY = {
    False: "it builds them, or fails, and does not ask the cache again",
    True: "their download fails, and it does not ask the cache again",
}
_MOST_IN_FIX = 5
"""Paths in the command of a fix."""


@dataclass(frozen=True)
class Wrong:
    """A remembered answer that the cache would not give any more.

    Attributes:
        until: until when Nix goes on believing it, in seconds since 1970.
        path: the store path.
    """

    until: float
    path: str


def memory(subject: Subject, wanted: Wanted) -> Iterator[Finding]:
    """Yield what Nix remembers of the cache that is not so, and how it asks again."""
    client = subject.reading
    if client is None or (wanted.count == 0 and wanted.named is None):
        return
    checked = 0
    try:
        for one in memories(subject.environment):
            answers = _relevant(one.answers(subject.manifest.read_url), wanted)
            checked += len(answers)
            yield from _of_memory(subject, client, one, answers, is_named=bool(wanted.named))
    except OSError as failure:
        yield not_checked(_WHAT, f"it cannot be read: {failure}", "run doctor as root")
    if not checked and wanted.named:
        yield ok("Nix remembers nothing of these paths, and asks the cache for them")


def _relevant(answers: Sequence[RememberedAnswer], wanted: Wanted) -> list[RememberedAnswer]:
    if wanted.named is not None:
        named = frozenset(wanted.named)
        return [answer for answer in answers if answer.store_hash in named]
    missing = [answer for answer in answers if not answer.is_present]
    present = [answer for answer in answers if answer.is_present]
    if wanted.count is not None:
        missing = missing[:_MOST_ABSENCES]
        present = random.sample(present, min(len(present), wanted.count))
    return missing + present


def _of_memory(
    subject: Subject,
    client: S3Client,
    one: Memory,
    answers: Sequence[RememberedAnswer],
    *,
    is_named: bool,
) -> Iterator[Finding]:
    now, settings = time.time(), _settings(one, subject.environment)
    ttl = {
        is_present: int(str(settings.get(name, default)))
        for is_present, (name, default) in ((True, POSITIVE_TTL), (False, NEGATIVE_TTL))
    }
    valid = [answer for answer in answers if now < answer.asked_at + ttl[answer.is_present]]
    if not valid:
        if answers:
            yield ok(f"Nix remembers in {one.file} nothing of the cache that it still believes")
        return
    subject.progress(f"{counted(len(valid), 'path')} that Nix remembers")
    check = PathCheck(subject.manifest, client, deep=False)
    found = dict(
        in_parallel(lambda answer: _outdated(subject, check, client, answer), valid, WORKERS)
    )
    for is_present, name in ((False, NEGATIVE_TTL[0]), (True, POSITIVE_TTL[0])):
        wrong = [
            Wrong(answer.asked_at + ttl[is_present], path)
            for answer in valid
            if answer.is_present is is_present and (path := found[answer])
        ]
        if wrong:
            kind = error if is_named else warning
            yield kind(
                _present(one, wrong) if is_present else _absent(one, wrong),
                f"{_WHY[is_present]} until then, as {name} is {ttl[is_present]} s",
                f"make it ask now: {_asking_again(subject, one, [each.path for each in wrong])}",
                [f"{each.path}, until {_moment(each.until)}" for each in wrong],
            )
    if not any(found.values()):
        yield ok(f"Nix remembers in {one.file} only what is so, of {counted(len(valid), 'path')}")


def _absent(one: Memory, wrong: Sequence[Wrong]) -> str:
    paths = counted(len(wrong), "path")
    return f"Nix remembers in {one.file} that the cache lacks {paths}, which it has now"


def _present(one: Memory, wrong: Sequence[Wrong]) -> str:
    paths = counted(len(wrong), "path")
    return f"Nix remembers in {one.file} NARs of {paths} that are no longer in the cache"


def _outdated(
    subject: Subject, check: PathCheck, client: S3Client, answer: RememberedAnswer
) -> str:
    """Return the path if the cache would answer otherwise now; else nothing."""
    if not answer.is_present:
        narinfo = check.examined(answer.store_hash).narinfo
        return narinfo.store_path if narinfo else ""
    try:
        key = NarUrl.parse(answer.nar_url).resolved(client.url)
    except (InvalidUrlError, ElsewhereError):
        return ""
    if client.request("HEAD", key).status not in MISSING_STATUSES:
        return ""
    narinfo = check.examined(answer.store_hash).narinfo
    if narinfo is not None and narinfo.url == answer.nar_url:
        return ""  # the cache is at fault, and not the memory
    return f"{subject.manifest.store_dir}/{answer.store_hash}-{answer.name}"


def _asking_again(subject: Subject, one: Memory, paths: Sequence[str]) -> str:
    """Return the command by which Nix asks the cache again, and remembers the answer."""
    words = [*program.NIX, "path-info", "--refresh", "--store", subject.manifest.read_url]
    if _is_of_another(one):
        words = ["sudo", "-H", shutil.which("nix") or "nix", *words[1:]]
    return f"`{shlex.join([*words, *paths[:_MOST_IN_FIX]])}`"


def _settings(one: Memory, environment: Mapping[str, str]) -> Mapping[str, object]:
    """Return the effective settings of the Nix that remembers."""
    if _is_of_another(one):
        # The daemon reads the machine's nix.conf alone.
        environment = {
            **{name: value for name, value in environment.items() if name != "NIX_CONFIG"},
            "NIX_USER_CONF_FILES": os.devnull,
        }
    return effective.shown(environment).settings or {}


def _is_of_another(one: Memory) -> bool:
    return one.is_daemons and os.geteuid() != 0


def _moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
