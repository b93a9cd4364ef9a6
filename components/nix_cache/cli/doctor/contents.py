"""The objects that every client meets first: nix-cache-info, a missing path, the manifest."""

from collections.abc import Iterator

from nix_cache.cli.caches.source import parse
from nix_cache.cli.doctor.finding import Finding, error, not_checked, ok, warning
from nix_cache.cli.doctor.subject import Subject
from nix_cache.cli.errors import ClientError
from nix_cache.cli.s3.outcome import Answer
from nix_cache.formats import cache_info
from nix_cache.formats.cache_info import INFO_KEY
from nix_cache.formats.manifest import MANIFEST_KEY, Manifest
from nix_cache.rights.trials import random_hash

REPAIR = "run `nix-cache stack repair` in the folder of the stack's program"
"""What puts back everything that the stack declares."""

NO_READER = "the cache is private, and no credential was found that it accepts"
FIND_READER = "name a source with secrets, or add a reader's profile to the credentials file"


def info(subject: Subject) -> Iterator[Finding]:
    """Yield whether nix-cache-info is there and says what was declared."""
    if subject.reading is None:
        yield not_checked(INFO_KEY, NO_READER, FIND_READER)
        return
    answer = subject.reading.request("GET", INFO_KEY)
    if answer.status != 200:
        yield _no_info(answer)
        return
    declared = subject.manifest
    wanted = cache_info.nix_cache_info(
        declared.store_dir, declared.want_mass_query, declared.priority
    )
    here = answer.body.decode(errors="replace")
    if here != wanted:
        yield error(
            f"{INFO_KEY} is not as declared: {_differences(wanted, here)}",
            "Nix reads the store directory and the priority from it",
            REPAIR,
        )
        return
    content_type = answer.headers.get("Content-Type", "")
    if content_type.partition(";")[0] != cache_info.CONTENT_TYPE:
        yield warning(
            f"{INFO_KEY} has the content type {content_type}, not {cache_info.CONTENT_TYPE}",
            "Nix ignores the type, but the stack declares another one",
            REPAIR,
        )
        return
    yield ok(f"{INFO_KEY} is exactly as declared")


def missing_path(subject: Subject) -> Iterator[Finding]:
    """Yield whether a path that is not there is answered so that Nix goes on."""
    if subject.reading is None:
        yield not_checked("the answer for a missing path", NO_READER, FIND_READER)
        return
    answer = subject.reading.request("GET", f"{random_hash()}.narinfo")
    if answer.status in {403, 404}:
        yield ok(f"a missing path returns {answer.status}, so Nix continues without it")
        return
    yield error(
        f"a missing path returns {answer}, not 404 or 403",
        "Nix treats only these as missing, and fails at or misreads anything else",
        "configure the proxy in front of the storage to pass 404 and 403 on",
    )


def manifest(subject: Subject) -> Iterator[Finding]:
    """Check that the published manifest agrees with the source."""
    if not subject.manifest.is_published:
        return
    if subject.reading is None:
        yield not_checked(MANIFEST_KEY, NO_READER, FIND_READER)
        return
    answer = subject.reading.request("GET", MANIFEST_KEY)
    if answer.status != 200:
        yield warning(
            f"{MANIFEST_KEY} is missing: {answer}",
            "`nix-cache use` with the cache's URL does not work",
            REPAIR,
        )
        return
    try:
        published = parse(answer.body.decode(errors="replace"), MANIFEST_KEY).manifest
    except ClientError as mistake:
        yield warning(
            f"{MANIFEST_KEY} cannot be read: {mistake.problem}",
            "`nix-cache use` with the cache's URL does not work",
            REPAIR,
        )
        return
    yield _compared(published.for_readers(), subject.manifest.for_readers())
    if published.fields_with_credentials:
        yield warning(
            f"{MANIFEST_KEY} names credentials, in {', '.join(published.fields_with_credentials)}",
            "on MinIO an access key id should not be public: some servers accept writes from "
            "anyone who knows one",
            "install the current version of the component and run `pulumi up` on the stack",
        )


def _compared(published: Manifest, known: Manifest) -> Finding:
    fields = [
        name for name in Manifest.model_fields if getattr(published, name) != getattr(known, name)
    ]
    if not fields:
        return ok(f"{MANIFEST_KEY} matches the source")
    what = f"{MANIFEST_KEY} differs from the source in: {', '.join(fields)}"
    if {"public_keys", "read_url"} & set(fields):
        return error(
            what,
            "machines that are configured with the cache's URL trust those keys",
            f"if the keys were rotated, run doctor with the new source; else {REPAIR}",
        )
    return warning(
        what, "machines that are configured with the cache's URL differ from others", REPAIR
    )


def _no_info(answer: Answer) -> Finding:
    if answer.status == 404:
        return error(
            f"{INFO_KEY} is missing",
            "the next push creates one without the declared priority",
            REPAIR,
        )
    return error(
        f"reading {INFO_KEY} returns {answer}",
        "Nix fails instead of continuing without the cache",
        f"check who can read; {REPAIR}",
    )


def _differences(wanted: str, here: str) -> str:
    """Return the fields that differ, in short words."""
    texts = [
        f"{name} is {found or 'missing'}, and {declared} is declared"
        for name, declared, found in cache_info.differences(wanted, here)
        if declared is not None
    ]
    return "; ".join(texts) or "it has other lines or other white space"
