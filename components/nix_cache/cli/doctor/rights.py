"""Who can do what: anonymous requests, writers, readers and the janitor, as it was declared."""

from collections.abc import Generator, Iterator, Mapping, Sequence

from nix_cache.backends.registry import BACKENDS
from nix_cache.backends.spec import BackendSpec, Right
from nix_cache.cli.doctor.contents import REPAIR
from nix_cache.cli.doctor.finding import Finding, error, not_checked, ok, warning
from nix_cache.cli.doctor.subject import Subject
from nix_cache.cli.s3.client import S3Client
from nix_cache.cli.s3.outcome import Answer
from nix_cache.formats.cache_info import INFO_KEY
from nix_cache.iam.lifecycle import OWN_KEYS
from nix_cache.rights import trials
from nix_cache.rights.trials import Outcome, Trial

_ANONYMOUS = "anonymous clients"
_CLOCK = "RequestTimeTooSkewed"

_LIST_WHY = "a listing shows what you build, and reveals paths that were not shared"
_PUT_WHY = "readers trust these objects, so only writers and the stack may change them"
_DELETE_WHY = "machines that rely on deleted objects fail to download them"


def anonymous(subject: Subject) -> Iterator[Finding]:
    """Check what is possible without a credential."""
    client = subject.anonymous
    yield _reading(subject, client)
    yield from _listing(_ANONYMOUS, client)
    yield from _no_puts(_ANONYMOUS, client, {**_new(trials.nix_keys()), **_protected(client)})
    yield from _no_deletes(_ANONYMOUS, client)


def users(subject: Subject) -> Iterator[Finding]:
    """Yield what writers and readers can do with their credentials."""
    if not subject.users:
        yield not_checked(
            "the rights of writers and readers",
            "the source is the published manifest, which names no writers and readers",
            "give the stack, or its outputs with --show-secrets",
        )
    for user in subject.users:
        is_janitor = user == subject.manifest.janitor
        role = "writer" if user in subject.manifest.push_urls else "reader"
        name = f"the {user}" if is_janitor else f"the {role} {user}"
        subject.progress(f"rights of {name}")
        if user in subject.credentials:
            backend = subject.manifest.backend
            if is_janitor:
                yield from _of_janitor(name, subject.as_user(user), BACKENDS.get(backend))
                continue
            also = _also(backend, role)
            for right in sorted(also):
                yield ok(f"{name} can {right}: {BACKENDS[backend].title} has no narrower key")
            yield from _of_user(name, subject.as_user(user), also, is_writer=role == "writer")
        elif failure := subject.lacking.get(user):
            yield error(
                f"the credential of {name} cannot be had: {failure.problem}",
                "pushes and private reads as that user fail",
                failure.fix,
            )
        elif not subject.is_agreed:
            yield not_checked(
                f"the rights of {name}",
                "doctor signs requests only for caches that this machine uses",
                "give the stack, or its outputs with --show-secrets, or run `nix-cache use SOURCE` "
                "first",
            )
        else:
            profile = subject.manifest.profiles.get(user, user)
            yield not_checked(
                f"the rights of {name}",
                f"there is no credential in the source, and no profile {profile} that this machine "
                "uses for the cache",
                "give a source with secrets: the stack, or its outputs with --show-secrets",
            )


def _also(backend: str, role: str) -> frozenset[Right]:
    """Return what the backend can keep no key of a role from. It is known, so it is not tried."""
    known = BACKENDS.get(backend)
    if known is None:
        return frozenset()
    return known.writers_also if role == "writer" else known.readers_also


def _of_janitor(name: str, client: S3Client, backend: BackendSpec | None) -> Iterator[Finding]:
    """Check that the janitor can collect garbage, and nothing else."""
    readable = yield from _reads(name, client)
    if not readable:
        return
    content = [*trials.nix_keys()[:3], trials.root_record_key()]
    tried = {
        "list objects": trials.ask(client, trials.LIST_QUERIES["objects"]),
        **{f"delete {key}": trials.delete(client, key) for key in content},
        "upload what a collection writes": trials.put(client, trials.collection_key()),
    }
    refused = [f"{what}: {t.answer}" for what, t in tried.items() if t.outcome is Outcome.REFUSED]
    if refused:
        yield error(f"{name} cannot collect garbage", "`nix-cache gc` fails", REPAIR, refused)
    elif not _unclear(tried):
        yield ok(f"{name} can list objects and delete the cache's contents")
    yield from _rest(name, "collect garbage", tried)
    if backend is not None and not backend.limits_janitor:
        yield ok(
            f"{name} can also upload store paths, and change and delete the cache's metadata: "
            f"{backend.title} has no narrower key"
        )
        return
    foreign = trials.foreign_key()
    puts = {**_new([*trials.nix_keys(), foreign]), **_protected(client)}
    yield from _no_puts(name, client, puts, "store paths or the cache's metadata")
    deletion = {foreign: trials.delete(client, foreign)}
    yield from _refusals(name, "delete what Nix does not write", deletion, _DELETE_WHY)


def _reads(name: str, client: S3Client) -> Generator[Finding, None, bool]:
    """Yield whether a credential is accepted and reads; return whether to go on."""
    first = client.request("GET", INFO_KEY)
    if first.code == _CLOCK:
        yield not_checked(f"the rights of {name}", "the clocks differ too much for signed requests")
        return False
    if first.is_stranger:
        yield error(
            f"the credential of {name} is refused: {first.code}",
            "the user was deleted or disabled, or has another secret",
            f"{REPAIR}, and distribute the credential again",
        )
        return False
    if first.is_refusal:
        yield error(
            f"{name} cannot read: {first}", "Nix reads before it writes, so it fails", REPAIR
        )
    else:
        yield ok(f"{name} can read {INFO_KEY}")
    return True


def _of_user(
    name: str, client: S3Client, also: frozenset[Right], *, is_writer: bool
) -> Iterator[Finding]:
    readable = yield from _reads(name, client)
    if not readable:
        return
    if is_writer:
        yield from _writer_puts(name, client)
    if Right.REPLACE not in also:
        protected = {**_protected(client), **_new([trials.foreign_key()])}
        if is_writer:
            yield from _no_puts(name, client, protected, "what Nix does not write")
        else:
            yield from _no_puts(name, client, {**_new(trials.nix_keys()), **protected})
    if Right.LIST not in also:
        yield from _listing(name, client)
    if Right.DELETE not in also:
        yield from _no_deletes(name, client)


def _reading(subject: Subject, client: S3Client) -> Finding:
    trial = trials.get(client, INFO_KEY)
    if trial.outcome is Outcome.UNCLEAR:
        return not_checked(
            f"whether {_ANONYMOUS} can read",
            f"the answer is {trial.answer}, which is neither a success nor a refusal",
            f"see whether {INFO_KEY} is there, and what the proxy in front of the storage does",
        )
    is_allowed = trial.outcome is Outcome.ALLOWED
    if subject.manifest.public and not is_allowed:
        return error(
            f"anonymous clients cannot read a public cache: {trial.answer}",
            "machines without a credential cannot use it",
            f"the bucket policy was changed: {REPAIR}",
        )
    if is_allowed and not subject.manifest.public:
        return error(
            "anonymous clients can read a private cache",
            "anyone who learns a store path can read it",
            f"the bucket policy was changed: {REPAIR}",
        )
    kind = "public" if subject.manifest.public else "private"
    return ok(f"{_ANONYMOUS} {'can' if is_allowed else 'cannot'} read: the cache is {kind}")


def _listing(name: str, client: S3Client) -> Iterator[Finding]:
    tried = {what: trials.ask(client, query) for what, query in trials.LIST_QUERIES.items()}
    yield from _refusals(name, "list", tried, _LIST_WHY)


def _no_puts(
    name: str,
    client: S3Client,
    keys: Mapping[str, Answer | None],
    what: str = "",
) -> Iterator[Finding]:
    tried = {key: trials.put(client, key, present) for key, present in keys.items()}
    yield from _refusals(name, f"upload {what}".rstrip(), tried, _PUT_WHY)


def _no_deletes(name: str, client: S3Client) -> Iterator[Finding]:
    keys = [*trials.nix_keys()[:3], trials.foreign_key()]
    yield from _refusals(
        name, "delete", {key: trials.delete(client, key) for key in keys}, _DELETE_WHY
    )


def _writer_puts(name: str, client: S3Client) -> Iterator[Finding]:
    tried = {key: trials.put(client, key) for key in trials.nix_keys()}
    large = f"log/{trials.foreign_key()}"
    tried[f"{large} in parts"] = trials.upload(client, large)
    refused = [f"{key}: {t.answer}" for key, t in tried.items() if t.outcome is Outcome.REFUSED]
    if refused:
        yield error(f"{name} cannot upload what Nix writes", "pushes fail", REPAIR, refused)
    elif not _unclear(tried):
        yield ok(f"{name} can upload what Nix writes, also in parts")
    yield from _rest(name, "upload", tried)
    why = "`nix-cache gc` can delete paths that a push at the same time relies on"
    yield from _newer_right(name, client, "upload root records", trials.root_record_key(), why)
    why = "`nix-cache pin` and `nix-cache unpin` fail"
    yield from _newer_right(name, client, "pin store paths", trials.pin_key(), why)


def _newer_right(name: str, client: S3Client, verb: str, key: str, why: str) -> Iterator[Finding]:
    """Check a right that writers of 0.1.0 do not have."""
    trial = trials.put(client, key)
    if trial.outcome is Outcome.REFUSED:
        yield warning(
            f"{name} cannot {verb}: {trial.answer}",
            why,
            "run `pulumi up` on the stack with this version of the component",
            [key],
        )
    elif trial.outcome is Outcome.ALLOWED:
        yield ok(f"{name} can {verb}")
    yield from _rest(name, verb, {key: trial})


def _refusals(name: str, verb: str, tried: Mapping[str, Trial], why: str) -> Iterator[Finding]:
    """Yield what must not be possible."""
    allowed = [f"{what}: {t.answer}" for what, t in tried.items() if t.outcome is Outcome.ALLOWED]
    if allowed:
        yield error(
            f"{name} can {verb}",
            why,
            f"a policy was changed or added outside the stack: {REPAIR}",
            allowed,
        )
    elif not _unclear(tried):
        yield ok(f"{name} cannot {verb}")
    yield from _rest(name, verb, tried)


def _rest(name: str, verb: str, tried: Mapping[str, Trial]) -> Iterator[Finding]:
    unclear = _unclear(tried)
    if unclear:
        yield not_checked(f"whether {name} can {verb}", "; ".join(unclear), "try again later")
    left = [trial.left for trial in tried.values() if trial.left]
    if left:
        yield warning(
            "the check left an object in the bucket",
            "the storage accepted an object with a wrong checksum, or did not delete it",
            "delete it as the bucket's owner",
            left,
        )


def _unclear(tried: Mapping[str, Trial]) -> list[str]:
    return [f"{what}: {t.answer}" for what, t in tried.items() if t.outcome is Outcome.UNCLEAR]


def _protected(client: S3Client) -> dict[str, Answer | None]:
    """Return the stack's own objects, each with what is there now."""
    return {key: _present(client.request("GET", key)) for key in OWN_KEYS}


def _new(keys: Sequence[str]) -> dict[str, Answer | None]:
    """Keys under which nothing is."""
    return dict.fromkeys(keys)


def _present(answer: Answer) -> Answer | None:
    return answer if answer.status == 200 else None
