"""The signing keys of this machine: those that Nix signs builds with, and the writer's."""

from collections.abc import Iterator
from pathlib import Path

from nix_cache.cli.doctor.finding import Finding, error, not_checked, ok, warning
from nix_cache.cli.doctor.subject import Subject
from nix_cache.cli.errors import ClientError
from nix_cache.cli.nix import effective
from nix_cache.cli.nix.key_files import KeyFileFault, Severity, faults_of
from nix_cache.cli.upload.writer import as_writer

_BUILDS = "every build on this machine fails, because Nix signs what it builds with this file"
_PUSHES = "pushes to the cache fail, or readers refuse what they sign"
_EXPOSED = "other users of this machine can sign paths that readers of the cache trust"


def signing_keys(subject: Subject) -> Iterator[Finding]:
    """Yield whether key files hold usable secret keys that only their owner can read."""
    named = _secret_key_files(subject)
    record = subject.record
    own = record.signing_key_file if record is not None and record.writer is not None else None
    faults = [(fault, _BUILDS) for path in named for fault in faults_of(path)]
    if own is not None and own not in named:
        faults += [(fault, _PUSHES) for fault in faults_of(own)]
    for fault, why in faults:
        yield _finding(fault, why)
    if own is not None and not any(fault.severity is not Severity.EXPOSED for fault, _ in faults):
        assert record is not None
        try:
            as_writer(record)
        except ClientError as failure:
            yield error(failure.problem, _PUSHES, failure.fix)
            return
    files = list(dict.fromkeys([*named, *([own] if own else [])]))
    if files and not faults:
        what = "signing key file holds" if len(files) == 1 else "signing key files hold"
        yield ok(f"{len(files)} {what} a secret key that only its owner can read")


def _secret_key_files(subject: Subject) -> list[Path]:
    named = (effective.shown(subject.environment).settings or {}).get("secret-key-files", ())
    return [Path(str(name)) for name in named] if isinstance(named, list) else []


def _finding(fault: KeyFileFault, why: str) -> Finding:
    match fault.severity:
        case Severity.UNUSABLE:
            return error(fault.problem, why, fault.fix)
        case Severity.EXPOSED:
            return warning(fault.problem, _EXPOSED, fault.fix)
        case Severity.UNKNOWN:
            return not_checked("a signing key", fault.problem, fault.fix)
