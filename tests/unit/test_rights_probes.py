"""What probes report of a store that lets through more than declared, one thing at a time."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from nix_cache.backends.s3.connection import S3Service
from nix_cache.backends.s3.login import S3ServiceError
from nix_cache.backends.s3.plain_client import PlainAnswer
from nix_cache.backends.s3.rights import require_safe, undecided, wider
from nix_cache.formats.cache_info import INFO_KEY
from nix_cache.rights.acts import PROBES, UNSAFE, Caller, CallerRole, ProbeAct, Probed, Site
from nix_cache.rights.probe_object import ProbeObject
from nix_cache.rights.probes import PREFIX, probed
from nix_cache.rights.trials import Outcome, Trial

OWNER = "owner"
INFO = b"StoreDir: /nix/store\n"
SERVICE = S3Service("https://s3.example.org", "us-east-1", "path")
IDS = {
    "writer-id": CallerRole.WRITER.name,
    "reader-id": CallerRole.READER.name,
    "janitor-id": CallerRole.JANITOR.name,
}


def refusal(code: str = "AccessDenied") -> PlainAnswer:
    """Return a refusal as a service answers it."""
    return PlainAnswer(403, {}, f"<Error><Code>{code}</Code></Error>".encode())


@dataclass
class Store:
    """A bucket in memory, which lets each user do what a cache needs and what ``wide`` has.

    Attributes:
        wide: by user, what it can do besides.
        broken: what the service refuses its owner, too.
        objects: by key.
        is_silent: whether the service answers every write with success and stores nothing.
        public: whether anonymous clients may read.
        written: the keys that were ever put.
        authors: by key, who put the object last.
        fails_at: the method of the first request about an object of a probe that gets no answer.
    """

    wide: frozenset[tuple[str, ProbeAct]] = frozenset()
    broken: frozenset[ProbeAct] = frozenset()
    objects: dict[str, bytes] = field(default_factory=lambda: {INFO_KEY: INFO})
    is_silent: bool = False
    public: bool = False
    written: list[str] = field(default_factory=list)
    authors: dict[str, str] = field(default_factory=dict)
    fails_at: str = ""

    def may(self, user: str, act: ProbeAct, key: str) -> bool:
        """Return whether a user has a right."""
        if user == OWNER:
            return act not in self.broken
        if (user, act) in self.wide:
            return True
        if act is ProbeAct.READ:
            return user != CallerRole.ANONYMOUS.name or self.public
        if user == CallerRole.JANITOR.name:
            return act in {ProbeAct.LIST, ProbeAct.DELETE} and key != INFO_KEY
        return user == CallerRole.WRITER.name and act is ProbeAct.WRITE and key.startswith("nar/")


@dataclass
class StoreClient:
    """A way into the store as one user."""

    store: Store
    user: str

    def request(
        self,
        method: str,
        key: str = "",
        query: str = "",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> PlainAnswer:
        """Do what is asked for, if the user may."""
        store = self.store
        if "X-Amz-Signature=" + "0" * 64 in query or "Authorization" in (headers or {}):
            user = next((one for name, one in IDS.items() if name in f"{query}{headers}"), "")
            if not user:
                return refusal("InvalidAccessKeyId")
            if (user, ProbeAct.UNSIGNED) not in store.wide:
                return refusal("SignatureDoesNotMatch")
            return PlainAnswer(400, {}, b"<Error><Code>IncompleteBody</Code></Error>")
        if PREFIX in key and method == store.fails_at and key in store.objects:
            store.fails_at = ""
            raise S3ServiceError("The service does not answer.")
        if method == "GET" and not key:
            allowed = store.may(self.user, ProbeAct.LIST, key)
            return PlainAnswer(200, {}, b"<ListBucketResult/>") if allowed else refusal()
        act = {"GET": ProbeAct.READ, "DELETE": ProbeAct.DELETE, "PUT": ProbeAct.WRITE}[method]
        if method == "PUT" and not key.startswith("nar/"):
            act = ProbeAct.REPLACE if key == INFO_KEY else ProbeAct.WRITE_FOREIGN
        if not store.may(self.user, act, key):
            return (
                PlainAnswer(204, {}, b"")
                if store.is_silent and act is not ProbeAct.READ
                else refusal()
            )
        if method == "GET":
            found = store.objects.get(key)
            return PlainAnswer(404, {}, b"") if found is None else PlainAnswer(200, {}, found)
        if method == "PUT":
            store.written.append(key)
            store.authors[key] = self.user
            store.objects[key] = body
            return PlainAnswer(200, {}, b"")
        store.objects.pop(key, None)
        return PlainAnswer(204, {}, b"")


def probe(store: Store, *, can_mint: bool = True) -> list[Probed]:
    """Probe a store as a deployment does."""

    def minter(user: str, own: str) -> Caller:
        def mint(target: str) -> Trial:
            act = ProbeAct.MINT if target == own else ProbeAct.MINT_OTHERS
            is_allowed = (user, act) in store.wide
            return Trial(Outcome.ALLOWED if is_allowed else Outcome.REFUSED, "answer")

        access_key_id = next(key for key, name in IDS.items() if name == user)
        return Caller(
            CallerRole[user],
            StoreClient(store, user),
            own,
            access_key_id,
            mint,
            [f"not-{own}"],
            own,
        )

    outcome = Outcome.ALLOWED if can_mint else Outcome.REFUSED
    anonymous = StoreClient(store, CallerRole.ANONYMOUS.name)
    site = Site(
        owner=StoreClient(store, OWNER),
        anonymous=anonymous,
        region="us-east-1",
        is_public=store.public,
        can_mint=lambda _user: Trial(outcome, "answer"),
    )
    callers = [
        Caller(CallerRole.ANONYMOUS, anonymous),
        minter("WRITER", "w"),
        minter("READER", "r"),
        minter("JANITOR", "j"),
    ]
    return list(probed(site, callers))


EVERY = [(role, act) for role, acts in PROBES.items() for act in acts]


@pytest.mark.parametrize("public", [True, False])
def test_a_store_that_follows_its_policies_is_as_declared(public: bool) -> None:
    """Every probe is decided, and leaves the store as it was."""
    store = Store(public=public)

    found = probe(store)

    assert {one.outcome for one in found} == {Outcome.REFUSED}
    expected = {*EVERY, *(() if public else ((CallerRole.ANONYMOUS, ProbeAct.READ),))}
    assert {(one.role, one.act) for one in found} == expected
    assert store.objects == {INFO_KEY: INFO}
    assert all(PREFIX in key or key == INFO_KEY for key in store.written)
    require_safe(SERVICE, "demo", found)


@pytest.mark.parametrize(("role", "act"), [*EVERY, (CallerRole.ANONYMOUS, ProbeAct.READ)])
def test_each_right_that_is_wider_is_named_and_no_other(role: CallerRole, act: ProbeAct) -> None:
    """A right of anonymous clients fails the deployment, and the store is left as it was."""
    store = Store(frozenset({(role.name, act)}))

    found = probe(store)

    allowed = [one for one in found if one.outcome is Outcome.ALLOWED]
    assert [(one.role, one.act) for one in allowed] == [(role, act)]
    assert [str(act) in text and str(role) in text for text in wider(found)] == [True]
    assert store.objects == {INFO_KEY: INFO}
    if role is CallerRole.ANONYMOUS:
        assert act in UNSAFE
        with pytest.raises(S3ServiceError, match=f"'demo': {act} .*Remove the policy"):
            require_safe(SERVICE, "demo", found)
    else:
        require_safe(SERVICE, "demo", found)


@pytest.mark.parametrize("act", [*sorted(UNSAFE)])
def test_a_refusal_without_its_positive_control_is_not_a_no(act: ProbeAct) -> None:
    """Where the owner is refused as well, the service does not show who has the right."""
    found = probe(Store(broken=frozenset({act})))

    of_act = [one for one in found if one.act is act]
    assert {one.outcome for one in of_act} == {Outcome.UNCLEAR}
    assert all("by the bucket's owner was answered" in one.detail for one in of_act)
    assert len(undecided(found)) >= len(of_act)


def test_a_refused_creation_of_keys_needs_a_service_that_creates_them() -> None:
    """Else the refusal may be that of the whole API."""
    found = probe(Store(), can_mint=False)

    minting = [one.outcome for one in found if one.act in {ProbeAct.MINT, ProbeAct.MINT_OTHERS}]
    assert minting == [Outcome.UNCLEAR] * 6


def test_an_answer_of_success_without_an_effect_is_not_a_right() -> None:
    """A service or a proxy that answers everything with success allows nothing."""
    store = Store(is_silent=True)

    found = probe(store)

    effects = {ProbeAct.WRITE, ProbeAct.WRITE_FOREIGN, ProbeAct.DELETE}
    assert {one.outcome for one in found if one.act in effects} == {Outcome.UNCLEAR}
    assert store.objects == {INFO_KEY: INFO}


def test_a_user_that_cannot_read_shows_nothing() -> None:
    """A key pair that the service does not know yet is refused everything."""
    found = probe(Store(objects={}, public=True))

    of_users = [one for one in found if one.role is not CallerRole.ANONYMOUS]
    assert {one.outcome for one in of_users} == {Outcome.UNCLEAR}
    assert all("its own read" in one.detail for one in of_users)


def test_what_another_user_replaced_is_written_by_the_owner_again() -> None:
    """Some services let an object belong to the user who put it, which can keep readers out."""
    wide = {(role.name, ProbeAct.REPLACE) for role in CallerRole}
    store = Store(frozenset(wide), public=True)

    probe(store)

    assert store.authors[INFO_KEY] == OWNER
    assert store.objects == {INFO_KEY: INFO}


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_a_probe_that_gets_no_answer_leaves_no_object(method: str) -> None:
    """The error is reported, and what was put until then is removed."""
    store = Store(frozenset({("WRITER", ProbeAct.WRITE_FOREIGN)}), fails_at=method)

    with pytest.raises(S3ServiceError, match="does not answer"):
        probe(store)

    assert any(PREFIX in key for key in store.written)
    assert store.objects == {INFO_KEY: INFO}


@dataclass
class Versions:
    """One key of a bucket with versions, as S3 describes them; the owner's way to it.

    Attributes:
        keeps: whether versions are kept; else they were kept once.
        stored: the versions, the latest last; a delete marker has no content.
    """

    keeps: bool
    stored: list[tuple[str, bytes | None]] = field(default_factory=list)
    count: int = 0

    def request(
        self,
        method: str,
        key: str = "",
        query: str = "",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> PlainAnswer:
        """Do what is asked for."""
        del key, headers  # there is one
        named = query.removeprefix("versionId=")
        if method == "DELETE" and named:
            self.stored = [one for one in self.stored if one[0] != named]
            return PlainAnswer(204, {"x-amz-version-id": named}, b"")
        if method == "GET":
            version, content = self.stored[-1] if self.stored else ("", None)
            if content is None:
                return PlainAnswer(404, {}, b"")
            return PlainAnswer(200, {"x-amz-version-id": version}, content)
        self.count += 1
        version = f"v{self.count}" if self.keeps else "null"
        self.stored = [one for one in self.stored if one[0] != version]
        self.stored.append((version, body if method == "PUT" else None))
        return PlainAnswer(200, {"x-amz-version-id": version}, b"")


@pytest.mark.parametrize("keeps", [True, False])
@pytest.mark.parametrize("is_answered", [True, False])
def test_an_object_of_a_probe_leaves_no_version_and_no_marker(
    keeps: bool, is_answered: bool
) -> None:
    """Also where the answers to its puts are unknown, as those of unsigned requests are."""
    bucket = Versions(keeps)

    with ProbeObject(bucket, f"{PREFIX}x") as made:
        for content in (b"1", b"2"):
            answer = bucket.request("PUT", f"{PREFIX}x", body=content)
            if is_answered:
                made.answered(answer)

    assert bucket.stored == []
    assert made.left == ()


def test_a_removal_that_gets_no_answer_is_repeated() -> None:
    """The object would stay, and no probe looks for those of earlier ones."""
    store = Store(objects={f"nar/{PREFIX}x": b"probe"}, fails_at="DELETE")

    with ProbeObject(StoreClient(store, OWNER), f"nar/{PREFIX}x"):
        pass

    assert store.objects == {}


def test_an_object_that_cannot_be_removed_is_named() -> None:
    """So that the administrator can delete it."""
    store = Store(broken=frozenset({ProbeAct.DELETE}), objects={f"nar/{PREFIX}x": b"probe"})

    with ProbeObject(StoreClient(store, OWNER), f"nar/{PREFIX}x") as made:
        pass

    assert made.left == (f"nar/{PREFIX}x",)
