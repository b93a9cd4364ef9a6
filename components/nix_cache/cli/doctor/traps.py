"""Known traps of the installed Nix, and of several caches on one machine."""

import tempfile
from collections.abc import Iterator

from nix_cache.cli.caches.record import known_records
from nix_cache.cli.doctor.finding import Finding, error, not_checked, ok, warning
from nix_cache.cli.doctor.signing_trial import signing_trial
from nix_cache.cli.doctor.subject import Subject
from nix_cache.cli.machine.places import system_place, user_place
from nix_cache.cli.nix import program, versions
from nix_cache.cli.nix.versions import Version, spelled

_SIGNING_SECONDS = 20.0


def nix_version(subject: Subject) -> Iterator[Finding]:
    """Yield whether the installed Nix is one that works with the cache."""
    printed = program.output(["nix", "--version"], subject.environment)
    if printed is None:
        yield not_checked("the version of Nix", "there is no Nix on PATH")
        return
    version = program.version_in(printed)
    if version is None:
        yield not_checked("the version of Nix", f"{printed.strip()} is an unknown version")
        return
    troubles = list(version_traps(version, subject))
    yield from troubles or [ok(f"Nix {spelled(version)} has no known problem with this cache")]
    if uses_s3(subject):
        yield from _signing(subject)


def version_traps(version: Version, subject: Subject) -> Iterator[Finding]:
    """Yield the traps of one version of Nix, for one cache."""
    traps = versions.version_traps(
        version,
        subject.manifest.backend,
        speaks_s3=uses_s3(subject),
        environment=subject.environment,
    )
    for trap in traps:
        found = error if trap.is_fatal else warning
        yield found(trap.problem, trap.why, trap.fix)


def uses_s3(subject: Subject) -> bool:
    """Return whether this machine's Nix reads the cache over S3. Pushes do not go through Nix."""
    return not subject.manifest.public


def shared_names(subject: Subject) -> Iterator[Finding]:
    """Yield whether two caches in use here share a bucket's name."""
    places = [user_place(subject.environment), system_place(subject.environment)]
    own = subject.manifest
    others = [
        record
        for record in known_records(places).values()
        if record.manifest.bucket == own.bucket and record.manifest.endpoint != own.endpoint
    ]
    for other in others:
        yield warning(
            f"the cache {other.name} has the bucket name {own.bucket} too, on "
            f"{other.manifest.endpoint}",
            "Nix remembers narinfos by bucket name only, and mixes up those of both caches",
            "give one of the buckets another name",
        )
    if not others:
        yield ok(f"no other cache in use here has the bucket name {own.bucket}")


def _signing(subject: Subject) -> Iterator[Finding]:
    """Let Nix ask a server on this machine, and see whether it signs."""
    # A separate cache folder, so that Nix does not remember this server.
    with signing_trial() as trial, tempfile.TemporaryDirectory() as folder:
        environment = {
            **subject.environment,
            "AWS_ACCESS_KEY_ID": "probe",
            "AWS_SECRET_ACCESS_KEY": "probe",
            "AWS_EC2_METADATA_DISABLED": "true",
            "XDG_CACHE_HOME": folder,
            "NIX_CACHE_HOME": folder,
        }
        store = f"s3://nix-cache-doctor?region=us-east-1&endpoint={trial.url}"
        command = [*program.NIX, "store", "info", "--store", store]
        program.output(command, environment, timeout_seconds=_SIGNING_SECONDS)
    if not trial.signed:
        yield not_checked("whether Nix signs S3 requests", "it sent none to a test server")
    elif all(trial.signed):
        yield ok("Nix signs its S3 requests")
    else:
        yield error(
            "Nix does not sign its S3 requests: it was built without AWS support",
            "its requests are anonymous, so reads of a private cache fail",
            "install Nix from nixos.org; the package of Debian lacks it",
        )
