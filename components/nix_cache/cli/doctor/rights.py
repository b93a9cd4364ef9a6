"""Who may do what: anonymous requests, each writer and each reader, against what was declared."""

from collections.abc import Iterator, Mapping, Sequence

from nix_cache.backends.registry import BACKENDS
from nix_cache.backends.spec import Right
from nix_cache.cli.doctor import probes
from nix_cache.cli.doctor.contents import REPAIR
from nix_cache.cli.doctor.finding import Finding, error, not_checked, ok, warning
from nix_cache.cli.doctor.probes import Outcome, Trial
from nix_cache.cli.doctor.subject import Subject
from nix_cache.cli.s3.client import Answer, S3Client
from nix_cache.formats.cache_info import INFO_KEY
from nix_cache.iam.lifecycle import OWN_KEYS

_ANONYMOUS = "anonymous requests"
_CLOCK = "RequestTimeTooSkewed"

_LIST_WHY = "a list of what is there shows what you build, and reveals paths that were never shared"
_PUT_WHY = (
    "readers believe what is in these places: it has to come from writers and the stack alone"
)
_DELETE_WHY = "what is deleted is missed by every machine that remembers it"


def anonymous(subject: Subject) -> Iterator[Finding]:
    """Check what is possible without a credential."""
    client = subject.anonymous
    yield _reading(subject, client)
    yield from _listing(_ANONYMOUS, client)
    yield from _no_puts(_ANONYMOUS, client, {**_new(probes.nix_keys()), **_protected(client)})
    yield from _no_deletes(_ANONYMOUS, client)


def users(subject: Subject) -> Iterator[Finding]:
    """Yield what writers and readers can do with their credentials."""
    if not subject.users:
        yield not_checked(
            "the rights of writers and readers",
            "the source names none, as it is the part that is published for readers",
            "give the stack, or its outputs with --show-secrets",
        )
    for user in subject.users:
        role = "writer" if user in subject.manifest.push_urls else "reader"
        name = f"the {role} {user}"
        subject.progress(f"rights of {name}")
        if user in subject.credentials:
            backend = subject.manifest.backend
            also = _also(backend, role)
            for right in sorted(also):
                yield ok(f"{name} may {right}: {BACKENDS[backend].title} has no narrower key")
            yield from _of_user(name, subject.as_user(user), also, is_writer=role == "writer")
        elif not subject.is_agreed:
            yield not_checked(
                f"the rights of {name}",
                "requests are not signed for a place that this machine does not use",
                "give the stack, or its outputs with --show-secrets, or run `nix-cache use` first",
            )
        else:
            profile = subject.manifest.profiles.get(user, user)
            yield not_checked(
                f"the rights of {name}",
                f"no credential, neither in the source nor in a profile {profile} that this "
                "machine uses for the cache",
                "give a source with secrets: the stack, or its outputs with --show-secrets",
            )


def _also(backend: str, role: str) -> frozenset[Right]:
    """Return what the backend can keep no key of a role from. It is known, so it is not tried."""
    known = BACKENDS.get(backend)
    if known is None:
        return frozenset()
    return known.writers_also if role == "writer" else known.readers_also


def _of_user(
    name: str, client: S3Client, also: frozenset[Right], *, is_writer: bool
) -> Iterator[Finding]:
    first = client.request("GET", INFO_KEY)
    if first.code == _CLOCK:
        yield not_checked(f"the rights of {name}", "the clocks differ too much for signed requests")
        return
    if first.is_stranger:
        yield error(
            f"the credential of {name} is refused: {first.code}",
            "the user is gone or disabled, or has another secret",
            f"{REPAIR}, and hand the credential out again",
        )
        return
    if first.is_refusal:
        yield error(
            f"{name} may not read: {first}", "Nix reads before it writes, and stops at this", REPAIR
        )
    else:
        yield ok(f"{name} may read")
    if is_writer:
        yield from _writer_puts(name, client)
    if Right.REPLACE not in also:
        protected = {**_protected(client), **_new([probes.foreign_key()])}
        if is_writer:
            yield from _no_puts(name, client, protected, "what Nix does not write")
        else:
            yield from _no_puts(name, client, {**_new(probes.nix_keys()), **protected})
    if Right.LIST not in also:
        yield from _listing(name, client)
    if Right.DELETE not in also:
        yield from _no_deletes(name, client)


def _reading(subject: Subject, client: S3Client) -> Finding:
    is_allowed = probes.get(client, INFO_KEY).outcome is not Outcome.REFUSED
    if subject.manifest.public and not is_allowed:
        return error(
            "anonymous requests may not read a public cache",
            "no machine without a credential can use it",
            f"the bucket policy was changed: {REPAIR}",
        )
    if is_allowed and not subject.manifest.public:
        return error(
            "anonymous requests may read a private cache",
            "everything in it is open to all who learn a store path",
            f"the bucket policy was changed: {REPAIR}",
        )
    kind = "public" if subject.manifest.public else "private"
    return ok(f"{_ANONYMOUS} {'may' if is_allowed else 'may not'} read: the cache is {kind}")


def _listing(name: str, client: S3Client) -> Iterator[Finding]:
    trials = {what: probes.ask(client, query) for what, query in probes.LIST_QUERIES.items()}
    yield from _refusals(name, "list", trials, _LIST_WHY)


def _no_puts(
    name: str,
    client: S3Client,
    keys: Mapping[str, Answer | None],
    what: str = "",
) -> Iterator[Finding]:
    trials = {key: probes.put(client, key, present) for key, present in keys.items()}
    yield from _refusals(name, f"put {what}".rstrip(), trials, _PUT_WHY)


def _no_deletes(name: str, client: S3Client) -> Iterator[Finding]:
    keys = [*probes.nix_keys()[:3], probes.foreign_key()]
    yield from _refusals(
        name, "delete", {key: probes.delete(client, key) for key in keys}, _DELETE_WHY
    )


def _writer_puts(name: str, client: S3Client) -> Iterator[Finding]:
    trials = {key: probes.put(client, key) for key in probes.nix_keys()}
    large = f"log/{probes.foreign_key()}"
    trials[f"{large} in parts"] = probes.upload(client, large)
    refused = [f"{key}: {t.answer}" for key, t in trials.items() if t.outcome is Outcome.REFUSED]
    if refused:
        yield error(
            f"{name} may not put what Nix writes", "`nix copy` fails at it", REPAIR, refused
        )
    elif not _unclear(trials):
        yield ok(f"{name} may put what Nix writes, also in parts")
    yield from _rest(name, "put", trials)
    yield from _root_records(name, client)


def _root_records(name: str, client: S3Client) -> Iterator[Finding]:
    key = probes.root_record_key()
    trial = probes.put(client, key)
    if trial.outcome is Outcome.REFUSED:
        yield warning(
            f"{name} may not put root records: {trial.answer}",
            "a `nix-cache gc` beside a push may delete what the push relies on",
            "run `pulumi up` on the stack with this version of the component",
            [key],
        )
    elif trial.outcome is Outcome.ALLOWED:
        yield ok(f"{name} may put root records")
    yield from _rest(name, "put root records", {key: trial})


def _refusals(name: str, verb: str, trials: Mapping[str, Trial], why: str) -> Iterator[Finding]:
    """Yield what must not be possible."""
    allowed = [f"{what}: {t.answer}" for what, t in trials.items() if t.outcome is Outcome.ALLOWED]
    if allowed:
        yield error(
            f"{name} may {verb}",
            why,
            f"a policy was changed past the stack, or another one added: {REPAIR}",
            allowed,
        )
    elif not _unclear(trials):
        yield ok(f"{name} is refused to {verb}")
    yield from _rest(name, verb, trials)


def _rest(name: str, verb: str, trials: Mapping[str, Trial]) -> Iterator[Finding]:
    unclear = _unclear(trials)
    if unclear:
        yield not_checked(f"whether {name} may {verb}", "; ".join(unclear), "try again later")
    left = [trial.left for trial in trials.values() if trial.left]
    if left:
        yield warning(
            "the check left something in the bucket",
            "the storage took what others refuse by its checksum, or did not let go of it",
            "remove it as the bucket's owner",
            left,
        )


def _unclear(trials: Mapping[str, Trial]) -> list[str]:
    return [f"{what}: {t.answer}" for what, t in trials.items() if t.outcome is Outcome.UNCLEAR]


def _protected(client: S3Client) -> dict[str, Answer | None]:
    """Return the stack's own objects, each with what is there now."""
    return {key: _present(client.request("GET", key)) for key in OWN_KEYS}


def _new(keys: Sequence[str]) -> dict[str, Answer | None]:
    """Keys under which nothing is."""
    return dict.fromkeys(keys)


def _present(answer: Answer) -> Answer | None:
    return answer if answer.status == 200 else None
