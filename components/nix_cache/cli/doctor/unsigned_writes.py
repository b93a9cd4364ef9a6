"""Whether the storage takes writes from anyone who knows a writer's access key id."""

from collections.abc import Iterator, Sequence

from nix_cache import docs
from nix_cache.cli.doctor.finding import Finding, error, not_checked, ok, warning
from nix_cache.cli.doctor.subject import Subject
from nix_cache.cli.s3.hosts import NoAnswerError
from nix_cache.rights import trials
from nix_cache.rights.unsigned import STORED, UnsignedResult, UnsignedTrial, UnsignedVerdict

_WHAT = "writes without a signature"
_WHY = (
    "anyone who knows a writer's access key id can replace and add objects; on MinIO it is the "
    "writer's name"
)
_FIX = (
    "use a server that verifies signatures, or refuse such requests in front of it: see "
    f"{docs.page('backends/minio', 'protect-a-server-that-is-not-safe')}"
)


def unsigned_writes(subject: Subject) -> Iterator[Finding]:
    """Check whether the access key id of a writer is enough to write."""
    writers = [
        user
        for user in subject.users
        if user in subject.manifest.push_urls and user in subject.credentials
    ]
    if not writers:
        yield not_checked(
            _WHAT,
            "this check requires the access key id of a writer",
            "give a source with secrets: the stack, or its outputs with --show-secrets",
        )
        return
    key = f"nar/{trials.foreign_key()}"
    reasons = []
    for writer in writers:
        access_key_id = subject.credentials[writer].access_key_id
        results = UnsignedTrial(
            subject.anonymous, subject.manifest.region, key, access_key_id, (NoAnswerError,)
        ).results()
        if results[0].shows_signature:
            yield from _judgement(results)
            break
        reasons.append(f"{writer}: {results[0].answer}")
    else:
        yield not_checked(
            _WHAT,
            "the response does not show that only the signature of a writer is missing "
            f"({'; '.join(reasons)})",
            "check the rights of the writers above",
        )
    yield from _left(subject, key, writer)


def _judgement(results: Sequence[UnsignedResult]) -> Iterator[Finding]:
    def judged(wanted: UnsignedVerdict) -> list[str]:
        return [f"{one.name}: {one.answer}" for one in results if one.verdict is wanted]

    accepted, unclear = judged(UnsignedVerdict.ACCEPTED), judged(UnsignedVerdict.UNCLEAR)
    if accepted:
        yield error(f"the storage accepts {_WHAT}", _WHY, _FIX, accepted)
    if unclear:
        yield not_checked(_WHAT, f"the storage answers {'; '.join(unclear)}", _FIX)
    if not accepted and not unclear:
        yield ok(f"the storage refuses {_WHAT}")


def _left(subject: Subject, key: str, writer: str) -> Iterator[Finding]:
    """Look for what an attempt stored all the same, and remove it."""
    user = subject.as_user(writer)
    answer = user.request("GET", key)
    if answer.status != 200 or answer.body not in STORED:
        return
    clients = [client for client in (subject.as_owner, user) if client is not None]
    is_removed = any(trials.removed(client, key) for client in clients)
    yield warning(
        f"the check of {_WHAT} left an object in the bucket"
        + (", which was removed" if is_removed else ""),
        "the storage accepted a request with a wrong checksum and framing",
        "nothing is left to do" if is_removed else "delete it as the bucket's owner",
        [key],
    )
