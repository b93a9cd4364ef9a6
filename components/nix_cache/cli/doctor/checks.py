"""All checks in their order, and what happens when one cannot be done."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from nix_cache.cli.doctor import (
    contents,
    expiry,
    machine,
    narinfos,
    on_the_way,
    outage_cost,
    reach,
    remembered,
    rights,
    signing_keys,
    traps,
    unsigned_writes,
)
from nix_cache.cli.doctor.finding import Finding, Level, error, not_checked
from nix_cache.cli.doctor.paths import Wanted
from nix_cache.cli.doctor.subject import Subject
from nix_cache.cli.errors import ClientError
from nix_cache.cli.s3.errors import StorageError
from nix_cache.cli.s3.hosts import NoAnswerError


@dataclass(frozen=True)
class Check:
    """One look at the cache.

    Attributes:
        theme: under which its findings are reported.
        title: what is looked at.
        look: does it.
        needs_server: whether it makes no sense while the server cannot be reached.
        needs_reading: whether it makes no sense on a machine that only pushes to the cache.
    """

    theme: str
    title: str
    look: Callable[[Subject], Iterable[Finding]]
    needs_server: bool = True
    needs_reading: bool = False


@dataclass(frozen=True)
class Result:
    """What a check found, and under which theme."""

    theme: str
    finding: Finding


def all_checks(wanted: Wanted) -> tuple[Check, ...]:
    """Every check there is. The first one decides whether those that need the server are done."""
    return (
        Check("server", "the server", reach.reachable, needs_server=False),
        Check("server", "TLS", reach.tls),
        Check("server", "the server's clock", reach.clock),
        Check("server", "compression on the way", on_the_way.compression),
        Check("server", "large bodies", partial(on_the_way.bodies, deep=wanted.deep)),
        Check("contents", "nix-cache-info", contents.info),
        Check("contents", "the answer for a missing path", contents.missing_path),
        Check("contents", "the manifest", contents.manifest),
        Check("rights", "what anonymous clients can do", rights.anonymous),
        Check("rights", "what writers and readers can do", rights.users),
        Check("rights", "writes without a signature", unsigned_writes.unsigned_writes),
        Check("expiry", "the bucket's lifecycle", expiry.lifecycle),
        Check("paths", "narinfos and NARs", partial(narinfos.paths, wanted=wanted)),
        Check(
            "this machine",
            "Nix's memory",
            partial(remembered.memory, wanted=wanted),
            needs_reading=True,
        ),
        Check("this machine", "nix.conf", machine.settings, needs_server=False),
        Check("this machine", "proxies", on_the_way.proxies, needs_server=False),
        Check(
            "this machine",
            "waits for the cache",
            outage_cost.waits,
            needs_server=False,
            needs_reading=True,
        ),
        Check(
            "this machine", "the time for narinfos", outage_cost.narinfo_seconds, needs_reading=True
        ),
        Check(
            "this machine",
            "the daemon's credentials",
            machine.credentials,
            needs_server=False,
            needs_reading=True,
        ),
        Check("this machine", "signing keys", signing_keys.signing_keys, needs_server=False),
        Check("this machine", "the version of Nix", traps.nix_version, needs_server=False),
        Check(
            "this machine",
            "other caches",
            traps.shared_names,
            needs_server=False,
            needs_reading=True,
        ),
    )


def examine(
    subject: Subject, checks: Iterable[Check], starting: Callable[[str], None] = lambda _: None
) -> Iterator[Result]:
    """Do the checks, one after the other.

    Args:
        subject: the cache.
        checks: what to do.
        starting: called with what is checked next.
    """
    is_reachable = True
    for position, check in enumerate(checks):
        if check.needs_reading and not subject.reads_here:
            continue
        starting(check.title)
        if check.needs_server and not is_reachable:
            reason = "the server cannot be reached as described"
            yield Result(check.theme, not_checked(check.title, reason))
            continue
        for finding in _looked(check, subject):
            yield Result(check.theme, finding)
            if position == 0 and finding.level is Level.ERROR:
                is_reachable = False


def _looked(check: Check, subject: Subject) -> Iterator[Finding]:
    try:
        yield from check.look(subject)
    except NoAnswerError as failure:
        yield error(
            f"the server stopped answering while doctor checked {check.title}: {failure}",
            "the result of this check is unknown",
            "check the server, then run doctor again",
        )
    except StorageError as failure:
        yield error(
            f"the storage's answer ended the check of {check.title}: {failure}",
            "the result of this check is unknown",
            "check the endpoint and the rights of the credential, then run doctor again",
        )
    except ClientError as failure:
        yield error(failure.problem, f"doctor could not check {check.title}", failure.fix)
    except Exception as failure:
        yield error(
            f"the check of {check.title} failed: {type(failure).__name__}: {failure}",
            "the result of this check is unknown",
            "run doctor again; if it fails again, report it",
        )
