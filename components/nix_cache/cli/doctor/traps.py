"""Known traps of the installed Nix, and of several caches on one machine."""

import tempfile
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

from nix_cache.cli.caches.record import known_records
from nix_cache.cli.doctor.finding import Finding, error, not_checked, ok, warning
from nix_cache.cli.doctor.signing_trial import signing_trial
from nix_cache.cli.doctor.subject import Subject
from nix_cache.cli.machine.places import system_place, user_place
from nix_cache.cli.nix import known_faults, program
from nix_cache.cli.nix.versions import InstalledNix, installed
from nix_cache.cli.s3.credentials import AwsFiles, login_of
from nix_cache.cli.s3.errors import NoCredentialError

_SIGNING_SECONDS = 20.0


def nix_version(subject: Subject) -> Iterator[Finding]:
    """Yield whether the installed Nix is one that works with the cache."""
    printed = program.output(["nix", "--version"], subject.environment)
    if printed is None:
        yield not_checked("the version of Nix", "there is no Nix on PATH")
        return
    nix = installed(printed)
    if nix is None:
        yield not_checked("the version of Nix", f"{printed.strip()} is an unknown version")
    else:
        troubles = list(version_faults(nix, subject))
        yield from troubles or [ok(f"{nix.name} has no known problem with this cache")]
    if uses_s3(subject):
        yield from _signing(subject)


def version_faults(nix: InstalledNix, subject: Subject) -> Iterator[Finding]:
    """Yield the known faults of one version of Nix, for one cache."""
    holding = known_faults.conditions(
        subject.manifest.backend,
        speaks_s3=uses_s3(subject),
        environment=subject.environment,
        login=_login(subject),
    )
    for fault in known_faults.faults_of(nix, holding):
        found = error if fault.is_fatal else warning
        yield found(f"{nix.name} {fault.problem}", fault.why, f"{fault.fix}: {fault.source}")


def _login(subject: Subject) -> str | None:
    """Return how the profile with which root reads a private cache logs in without a key pair."""
    if subject.manifest.public:
        return None
    query = parse_qs(urlsplit(subject.manifest.read_url).query)
    credentials = system_place(subject.environment).credentials
    files = AwsFiles(credentials.with_name("config"), credentials)
    try:
        found = login_of(query.get("profile", ["default"])[0], files)
    except NoCredentialError:
        return None  # the check of the daemon's credentials reports it
    return found[0] if found else None


def uses_s3(subject: Subject) -> bool:
    """Return whether this machine's Nix reads the cache over S3. Pushes do not go through Nix."""
    return subject.reads_here and not subject.manifest.public


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
            **dict.fromkeys(("no_proxy", "NO_PROXY"), "*"),  # the server is on this machine
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
