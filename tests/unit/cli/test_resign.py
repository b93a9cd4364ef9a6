"""`nix-cache resign`: what is trusted, what is signed, and what is reported."""

import contextlib
import hashlib
import io
import json
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import zstandard
from botocore.credentials import Credentials

from nix_cache.cli.caches.record import Record
from nix_cache.cli.caches.source import Source
from nix_cache.cli.caches.target import Target
from nix_cache.cli.errors import ClientError, UsageError
from nix_cache.cli.resign import bucket as resign_bucket
from nix_cache.cli.resign import plan as resign_plan
from nix_cache.cli.resign import report, session, signer
from nix_cache.cli.resign.verdict import (
    Ground,
    Settled,
    TrustTerms,
    Untrusted,
    Verdict,
    is_evidence,
    judge,
)
from nix_cache.cli.s3.credentials import Identity
from nix_cache.formats import content_address, signing
from nix_cache.formats.narinfo import Narinfo, narinfo_key, verify
from nix_cache.formats.narinfo_writer import NarFile, signed_narinfo
from nix_cache.formats.nix_hash import NixHash
from nix_cache.formats.path_info import PathInfo
from nix_cache.formats.realisation import Realisation
from nix_cache.iam.lifecycle import NIX32
from tests.engine.patient import nar_of
from tests.unit.cli.client_caches import KEY, NEXT_KEY, WRITER, manifest
from tests.unit.cli.s3_double import Answer, DoubleTransport, S3Double
from tests.unit.formats.test_realisation import BY_DERIVATION, BY_HASH

LEAKED, STRANGER = signing.generate("leaked-1"), signing.generate("stranger-1")
OTHER = signing.generate("cache.example.org-other-1")
BEFORE = datetime(2026, 11, 1, tzinfo=UTC)
OWNER = Identity("the test", Credentials("owner", "secret"))
TERMS = TrustTerms(
    NEXT_KEY,
    (NEXT_KEY.public_text, KEY.public_text, OTHER.public_text),
    frozenset({NEXT_KEY.name, OTHER.name}),
)
AFTER_LEAK = replace(TERMS, leaked=(LEAKED.public_text,), before=BEFORE)


def path_info(number: int, **fields: Any) -> PathInfo:
    """Return what a store holds of one of a few paths."""
    nar = nar_of(b"content %d" % number)
    path = f"/nix/store/{NIX32[number] * 32}-name"
    info = PathInfo(path, NixHash.of(nar), len(nar), (), None, (), None, True, None)
    return replace(info, **fields)


def stored_nar(number: int) -> bytes:
    """Return its NAR as it is stored."""
    return zstandard.compress(nar_of(b"content %d" % number))


def narinfo(number: int, *signatures: str | signing.SecretKey, **fields: Any) -> bytes:
    """Return its narinfo, with some signatures or signed by some keys."""
    info = path_info(number, **fields)
    file = NarFile(NixHash.of(stored_nar(number)), len(stored_nar(number)))
    lines = signed_narinfo(info, file, KEY).decode().splitlines(keepends=True)
    text = "".join(line for line in lines if not line.startswith("Sig:"))
    message = Narinfo.parse(text).fingerprint.encode()
    texts = [one if isinstance(one, str) else one.sign(message) for one in signatures]
    return (text + "".join(f"Sig: {one}\n" for one in texts)).encode()


def verdict(
    content: bytes, terms: TrustTerms = TERMS, written: datetime | None = BEFORE - timedelta(days=1)
) -> Verdict:
    """Return what is to be done with the first of the paths."""
    return judge(narinfo_key(path_info(0).path), Narinfo.parse(content), written, terms)


class TestVerdict:
    """What is to be done with a path."""

    @pytest.mark.parametrize(
        ("keys", "expected"),
        [
            ([KEY], Ground.TRUSTED_KEY),
            ([STRANGER, KEY], Ground.TRUSTED_KEY),
            ([NEXT_KEY], Settled.SIGNED),
            ([KEY, NEXT_KEY], Settled.SIGNED),
            ([OTHER], Settled.SIGNED),
            ([f"{NEXT_KEY.name}:AAAA", KEY], Ground.TRUSTED_KEY),
            ([f"{KEY.name}:AAAA", NEXT_KEY], Ground.TRUSTED_KEY),
        ],
    )
    def test_what_a_trusted_key_signed_is_signed_once_with_a_current_one(
        self, keys: list[str | signing.SecretKey], expected: Verdict
    ) -> None:
        """Of any writer. A signature at which readers stop is removed."""
        assert verdict(narinfo(0, *keys)) == expected

    @pytest.mark.parametrize(
        ("keys", "reason"),
        [
            ([], "it is not signed"),
            ([STRANGER], "it is signed by stranger-1 alone"),
            ([LEAKED], "it is signed by leaked-1 alone"),
            ([KEY.sign(b"something else")], f"its signature by {KEY.name} is invalid"),
        ],
    )
    def test_everything_else_is_not_trusted(
        self, keys: list[str | signing.SecretKey], reason: str
    ) -> None:
        """Unless the local store has the same."""
        assert verdict(narinfo(0, *keys)) == Untrusted(reason)

    def test_a_narinfo_of_something_else_is_never_signed(self) -> None:
        """Not even if the local store has the path that it describes."""
        found = verdict(narinfo(1, KEY))

        assert isinstance(found, Untrusted)
        assert not found.is_curable

    def test_a_path_with_a_content_address_needs_no_signature(self) -> None:
        """If it follows from that; else readers refuse it whatever signature it has."""
        address = content_address.ContentAddress.parse(f"fixed:r:sha256:{'0' * 52}")
        path = content_address.store_path(
            address, "name", [], has_self=False, store_dir="/nix/store"
        )
        text = narinfo(0, KEY, ca=str(address)).decode()
        fitting = text.replace(path_info(0).path, path)

        found = judge(narinfo_key(path), Narinfo.parse(fitting), None, TERMS)
        assert found is Settled.CONTENT_ADDRESSED
        refused = verdict(text.encode())
        assert isinstance(refused, Untrusted)
        assert not refused.is_curable

    @pytest.mark.parametrize(
        ("written", "expected"),
        [
            (BEFORE - timedelta(seconds=1), Ground.BEFORE_LEAK),
            (
                BEFORE - timedelta(seconds=0.5),  # a date without its fraction may be younger
                "only the leaked key leaked-1 signed it, on 2026-10-31 23:59:59Z",
            ),
            (BEFORE, "only the leaked key leaked-1 signed it, on 2026-11-01 00:00:00Z"),
            (None, "only the leaked key leaked-1 signed it, and when is not known"),
        ],
    )
    def test_a_leaked_key_counts_for_what_was_written_before(
        self, written: datetime | None, expected: Ground | str
    ) -> None:
        """By the storage's clock, which a writer cannot set."""
        found = verdict(narinfo(0, LEAKED), AFTER_LEAK, written)

        assert found == (Untrusted(expected) if isinstance(expected, str) else expected)

    def test_without_a_time_a_leaked_key_counts_for_nothing(self) -> None:
        """But the signature of another trusted key does, whenever it was made."""
        terms = replace(AFTER_LEAK, before=None)

        assert verdict(narinfo(0, LEAKED), terms) == Untrusted(
            "only the leaked key leaked-1 signed it"
        )
        assert verdict(narinfo(0, LEAKED, KEY), terms, None) is Ground.TRUSTED_KEY
        forged = narinfo(0, LEAKED.sign(b"something else"))
        assert verdict(forged, AFTER_LEAK) == Untrusted("its signature by leaked-1 is invalid")

    @pytest.mark.parametrize(
        ("fields", "expected"),
        [
            ({"ultimate": True}, True),
            ({"ultimate": False}, False),
            ({"ultimate": False, "registration_time": int(BEFORE.timestamp()) - 1}, True),
            ({"ultimate": False, "registration_time": int(BEFORE.timestamp())}, False),
        ],
    )
    def test_after_a_leak_a_local_path_counts_if_it_cannot_come_from_the_cache(
        self, fields: Mapping[str, Any], expected: bool
    ) -> None:
        """Without a leak, all do."""
        info = path_info(0, **fields)

        assert is_evidence(info, AFTER_LEAK) is expected
        assert is_evidence(info, TERMS)


@dataclass
class Done:
    """What came of a run."""

    well: bool
    result: dict[str, Any]
    err: str


@dataclass
class SignedCache:
    """A cache on the storage in memory.

    Attributes:
        storage: what holds it.
        local: what the local store has.
        changes: of the manifest.
        after_plan: called after all narinfos were read.
    """

    storage: S3Double = field(default_factory=lambda: S3Double("demo"))
    local: list[PathInfo] = field(default_factory=list)
    changes: dict[str, Any] = field(default_factory=dict)
    after_plan: Any = None

    def add(
        self,
        number: int,
        *signatures: str | signing.SecretKey,
        age: timedelta = timedelta(),
        nar: bytes | None = None,
    ) -> str:
        """Put a path; returns the key of its narinfo."""
        content = narinfo(number, *signatures)
        parsed = Narinfo.parse(content)
        self.storage.put(parsed.url, stored_nar(number) if nar is None else nar, age=age)
        self.storage.put(parsed.key, content, age=age)
        return parsed.key

    def resign(self, **changes: Any) -> Done:
        """Run the command."""
        request = session.SigningRequest(
            cache=None,
            project=None,
            owner="owner",
            writer=None,
            leaked=(),
            before=None,
            dry_run=False,
            agreed=True,
            jobs=2,
        )
        keys = [NEXT_KEY.public_text, KEY.public_text]
        described = manifest(
            **{"publicKeys": keys, "keyNames": {WRITER: NEXT_KEY.name}, **self.changes}
        )
        target = Target(Source(described, {WRITER: NEXT_KEY.secret_text}), None)
        transport = _Streaming(self.storage)
        known = {info.path: info for info in self.local}
        real = resign_plan.make_plan

        def planned(*arguments: Any) -> resign_plan.SigningPlan:
            plan = real(*arguments)
            if self.after_plan:
                self.after_plan()
            return plan

        out, err = io.StringIO(), io.StringIO()
        with (
            mock.patch.object(session, "owner_identity", return_value=OWNER),
            mock.patch.object(session, "find_target", return_value=target),
            mock.patch.object(session, "make_plan", planned),
            mock.patch.object(session, "SETTLING_SECONDS", 0.0),
            mock.patch.object(resign_bucket, "Transport", return_value=transport),
            mock.patch.object(resign_plan, "_local_paths", return_value=frozenset(known)),
            mock.patch.object(
                resign_plan, "path_infos", lambda paths: {path: known[path] for path in paths}
            ),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            well = session.run(replace(request, **changes), as_json=True)
        return Done(well, json.loads(out.getvalue()), err.getvalue())

    def signers(self, key: str) -> tuple[str, ...]:
        """Return who signed a path validly."""
        keys = [one.public_text for one in (KEY, NEXT_KEY, LEAKED, STRANGER)]
        return verify(Narinfo.parse(self.storage.objects[key].content), keys)


class _Streaming(DoubleTransport):
    """A transport that also reads NARs in pieces."""

    @contextlib.contextmanager
    def opened(self, url: str, headers: Mapping[str, str]) -> Any:
        from nix_cache.cli.limits import OBJECT

        reply = self.exchange("GET", url, headers, None, OBJECT)
        body = io.BytesIO(reply.body)
        yield mock.Mock(status=reply.status, headers=reply.headers, read=body.read)


@pytest.fixture
def cache() -> SignedCache:
    """Provide an empty cache."""
    return SignedCache()


class TestRun:
    """The command."""

    def test_a_rotated_key_is_followed_and_a_second_run_changes_nothing(
        self, cache: SignedCache
    ) -> None:
        """What neither a trusted key nor the local store vouches for is reported."""
        old, foreign, same, signed = (
            cache.add(0, KEY),
            cache.add(1, STRANGER),
            cache.add(2, STRANGER),
            cache.add(3, NEXT_KEY),
        )
        cache.local = [path_info(2), path_info(9)]

        done = cache.resign()

        assert not done.well
        assert done.result["signed"] == {"byTrustedKey": 1, "asInLocalStore": 1, "beforeLeak": 0}
        assert done.result["alreadySigned"] == 1
        assert list(done.result["untrusted"]) == [path_info(1).path]
        assert "nix-cache push --repair" in done.err
        assert cache.signers(old) == (KEY.name, NEXT_KEY.name)
        assert cache.signers(same) == (STRANGER.name, NEXT_KEY.name)
        assert cache.signers(foreign) == (STRANGER.name,)
        assert cache.signers(signed) == (NEXT_KEY.name,)

        before = dict(cache.storage.objects)
        del cache.storage.objects[foreign]
        again = cache.resign()
        assert again.well
        assert sum(again.result["signed"].values()) == 0
        assert cache.storage.objects.items() <= before.items()

    def test_a_local_path_with_other_contents_vouches_for_nothing(self, cache: SignedCache) -> None:
        """By its hash or by its references."""
        cache.add(0, STRANGER)
        for changes in ({"nar_size": 7}, {"references": (path_info(1).path,)}):
            cache.local = [replace(path_info(0), **changes)]
            assert cache.resign().result["signed"]["asInLocalStore"] == 0

    def test_after_a_leak_what_is_older_and_whole_is_signed(self, cache: SignedCache) -> None:
        """What is younger, and what has another NAR than was signed, is not."""
        month = timedelta(days=30)
        old = cache.add(0, LEAKED, age=month)
        young = cache.add(1, LEAKED)
        damaged = cache.add(2, LEAKED, age=month, nar=stored_nar(3))
        lost = cache.add(3, LEAKED, age=month)
        del cache.storage.objects[Narinfo.parse(narinfo(3)).url]
        leak = (datetime.now(UTC) - timedelta(days=2)).isoformat()

        done = cache.resign(leaked=(LEAKED.public_text,), before=leak, is_dropped=True)

        assert not done.well
        assert done.result["signed"]["beforeLeak"] == 1
        assert cache.signers(old) == (LEAKED.name, NEXT_KEY.name)
        for key in (young, damaged, lost):
            assert NEXT_KEY.name not in cache.signers(key)
        reasons = done.result["untrusted"]
        assert "only the leaked key leaked-1 signed it, on" in reasons[path_info(1).path]
        assert "its NAR is not as stated" in reasons[path_info(2).path]
        assert "its NAR is answered 404" in reasons[path_info(3).path]

    @pytest.mark.parametrize(
        "spell",
        [
            lambda text: text,
            lambda text: f" {text}\n",
            lambda text: other_spelling(text),
            lambda text: f"other-name:{text.partition(':')[2]}",
        ],
        ids=["exact", "white space", "unused bits", "wrong name"],
    )
    @pytest.mark.parametrize("is_dropped", [False, True])
    def test_a_leaked_key_that_readers_still_trust_is_reported(
        self, cache: SignedCache, spell: Callable[[str], str], is_dropped: bool
    ) -> None:
        """And does not count, however it is spelled."""
        key = cache.add(0, KEY)

        done = cache.resign(leaked=(spell(KEY.public_text),), is_dropped=is_dropped)

        assert not done.well
        assert "readers still trust the leaked key" in done.err
        assert cache.signers(key) == (KEY.name,)

    def test_a_dry_run_and_a_missing_agreement_change_nothing(self, cache: SignedCache) -> None:
        """The plan is printed."""
        cache.add(0, KEY)
        before = dict(cache.storage.objects)

        done = cache.resign(dry_run=True)
        assert (done.well, done.result["dryRun"]) == (True, True)
        assert done.result["signed"]["byTrustedKey"] == 1
        with pytest.raises(UsageError, match="has to be agreed to"):
            cache.resign(agreed=False)
        assert cache.storage.objects == before

    def test_what_changes_after_it_was_read_is_not_signed_blindly(self, cache: SignedCache) -> None:
        """One is replaced by other contents, one is deleted, one gets a signature."""
        replaced, deleted, signed = cache.add(0, KEY), cache.add(1, KEY), cache.add(2, KEY)
        other = narinfo(0, STRANGER).replace(b"NarSize: ", b"NarSize: 1")

        def change() -> None:
            cache.storage.put(replaced, other)
            del cache.storage.objects[deleted]
            cache.storage.put(signed, narinfo(2, KEY, STRANGER))

        cache.after_plan = change
        done = cache.resign()

        assert cache.storage.objects[replaced].content == other
        assert deleted not in cache.storage.objects
        assert set(cache.signers(signed)) == {KEY.name, STRANGER.name, NEXT_KEY.name}
        assert (done.well, done.result["gone"]) == (False, 1)
        assert done.result["untrusted"] == {path_info(0).path: "its narinfo was changed meanwhile"}

    def test_a_run_that_was_interrupted_goes_on_where_it_was(self, cache: SignedCache) -> None:
        """Each signature is a whole narinfo."""
        keys = [cache.add(number, KEY) for number in range(6)]
        left = [40]

        def fail(_: int) -> None:
            left[0] -= 1
            if left[0] < 25:
                raise RuntimeError("killed")

        interrupted = 0
        for stop in range(1, 60):
            left[0] = 25 + stop
            cache.storage.before = fail
            try:
                done = cache.resign(jobs=1)
            except RuntimeError:
                interrupted += 1
                for key in keys:
                    assert KEY.name in cache.signers(key)
            else:
                break
        assert interrupted
        assert done.well
        assert all(cache.signers(key) == (KEY.name, NEXT_KEY.name) for key in keys)

    @pytest.mark.parametrize("document", [BY_HASH, BY_DERIVATION], ids=["2.34", "2.35"])
    def test_realisations_are_signed_too(
        self, cache: SignedCache, document: dict[str, Any]
    ) -> None:
        """In either form, by the same rules; other signatures stay."""
        unsigned = Realisation.parse(document)
        old = unsigned.signed(KEY).cache_object()
        cache.storage.put(old.key, old.content)
        keys = [KEY.public_text, NEXT_KEY.public_text]

        done = cache.resign()

        assert done.well
        assert done.result["signed"]["byTrustedKey"] == 1
        found = Realisation.parse_stored(old.key, cache.storage.objects[old.key].content)
        assert set(found.signers(keys)) == {KEY.name, NEXT_KEY.name}
        assert set(found.signatures) > set(unsigned.signatures)
        assert cache.resign().result["alreadySigned"] == 1

        foreign = unsigned.signed(STRANGER).cache_object()
        cache.storage.put(foreign.key, foreign.content)
        refused = cache.resign()
        assert refused.result["untrusted"] == {
            foreign.key: "no trusted key signed this realisation"
        }
        cache.storage.put(foreign.key, b"[]")
        assert "cannot be read" in cache.resign().result["untrusted"][foreign.key]

    def test_unreadable_narinfos_are_reported(self, cache: SignedCache) -> None:
        """By their keys; the others are signed."""
        good, bad = cache.add(0, KEY), cache.add(1, KEY)
        cache.storage.put(bad, b"<html>")
        cache.storage.put("nix-cache-info", b"")

        done = cache.resign()

        assert list(done.result["untrusted"]) == [bad]
        assert NEXT_KEY.name in cache.signers(good)

    def test_an_owner_who_may_list_and_not_read_is_refused(self, cache: SignedCache) -> None:
        """A listed narinfo that is forbidden is not gone."""
        realisation = Realisation.parse(BY_HASH).signed(KEY).cache_object()
        for key in (cache.add(0, KEY), realisation.key):
            cache.storage.put(key, realisation.content)
            cache.storage.faults = {key: denied}
            with pytest.raises(ClientError, match=r"profile owner may not .* \(AccessDenied\)"):
                cache.resign()

    @pytest.mark.parametrize("name", [".", ".."])
    def test_an_object_whose_key_cannot_be_requested_is_reported(
        self, cache: SignedCache, name: str
    ) -> None:
        """The others are signed."""
        good = cache.add(0, KEY)
        bad = f"realisations/{name}/a.doi"
        cache.storage.put(bad, b"{}")

        done = cache.resign()

        assert "has a segment '.' or '..'" in done.result["untrusted"].pop(bad)
        assert (done.well, done.result["untrusted"]) == (False, {})
        assert NEXT_KEY.name in cache.signers(good)

    def test_a_realisation_that_utf_8_cannot_encode_is_reported(self, cache: SignedCache) -> None:
        """The others are signed."""
        good = cache.add(0, KEY)
        bad = Realisation.parse(BY_HASH).key
        cache.storage.put(bad, json.dumps({**BY_HASH, "other": "\ud800"}).encode())

        done = cache.resign()

        assert "UTF-8" in done.result["untrusted"][bad]
        assert NEXT_KEY.name in cache.signers(good)


def denied(_: Answer) -> Answer:
    """Return what S3 answers to a user without the right."""
    return Answer(403, {}, b"<Error><Code>AccessDenied</Code></Error>")


def other_spelling(key: str) -> str:
    """Return a public key with other unused bits in the last character of its base64."""
    letters = string.ascii_uppercase + string.ascii_lowercase + string.digits + "+/"
    last = letters.index(key[-2])
    return f"{key[:-2]}{letters[last ^ 1]}="


class TestSigner:
    """With which key, and by which terms."""

    def target(self, keys: Mapping[str, str], **changes: Any) -> Target:
        """Return a cache with some signing keys."""
        return Target(Source(manifest(**changes), keys), None)

    def test_the_only_key_of_the_source_signs(self) -> None:
        """It is current, and so are those of other writers."""
        found = signer.find_terms(self.target({WRITER: KEY.secret_text}), None, (), None)

        assert found.key == KEY
        assert found.current == frozenset({KEY.name})

    def test_the_key_of_a_cache_in_use_signs(self, tmp_path: Path) -> None:
        """Read from its file."""
        (tmp_path / "key").write_text(KEY.secret_text)
        used = Record(
            name="demo", manifest=manifest(), writer=WRITER, signing_key_file=tmp_path / "key"
        )

        assert signer.find_terms(Target(Source(used.manifest), used), None, (), None).key == KEY

    @pytest.mark.parametrize(
        ("keys", "writer", "leaked", "before", "problem"),
        [
            ({}, None, (), None, "not clear whose key signs"),
            ({}, WRITER, (), None, "signing key of nixbuilder is not known here"),
            ({}, "stranger", (), None, "the cache has no writer stranger"),
            ({WRITER: "x"}, None, (), None, "cannot be read"),
            ({WRITER: NEXT_KEY.secret_text}, None, (), None, "not among the public keys"),
            ({WRITER: KEY.secret_text}, None, ("x",), None, "is not a public key"),
            ({WRITER: KEY.secret_text}, None, (KEY.public_text,), None, "it cannot sign"),
            ({WRITER: KEY.secret_text}, None, (), "2026-01-01", "without a leaked key"),
            ({WRITER: KEY.secret_text}, None, (LEAKED.public_text,), "soon", "is not a time"),
            (
                {WRITER: KEY.secret_text},
                None,
                (LEAKED.public_text,),
                "0001-01-01T00:00+14:00",
                "is not a time",
            ),
            (
                {WRITER: KEY.secret_text},
                None,
                (LEAKED.public_text,),
                "9999-12-31T23:59-14:00",
                "is not a time",
            ),
            (
                {WRITER: KEY.secret_text},
                None,
                (other_spelling(KEY.public_text),),
                None,
                "it cannot sign",
            ),
            ({WRITER: KEY.secret_text}, None, (LEAKED.public_text,), "2999-01-01", "not come yet"),
        ],
    )
    def test_what_makes_no_sense_is_refused(
        self,
        keys: Mapping[str, str],
        writer: str | None,
        leaked: tuple[str, ...],
        before: str | None,
        problem: str,
    ) -> None:
        """Before a request is sent, and without a secret in the message."""
        with pytest.raises(ClientError, match=problem) as refused:
            signer.find_terms(self.target(keys), writer, leaked, before)
        assert hashlib.sha256(KEY.seed).hexdigest() not in str(refused.value)

    def test_a_leaked_key_that_the_cache_does_not_have_needs_a_confirmation(self) -> None:
        """With a typo, the key that is meant would stay trusted. The only key signs by itself."""
        keys = {WRITER: NEXT_KEY.secret_text}
        both = [NEXT_KEY.public_text, KEY.public_text]
        target = self.target(keys, publicKeys=both, keyNames={WRITER: NEXT_KEY.name})
        typo = f"{KEY.name}:{LEAKED.public_text.partition(':')[2]}"
        swapped = f"{NEXT_KEY.name}:{KEY.public_text.partition(':')[2]}"

        for leaked, problem in (
            (LEAKED.public_text, f"matches no key of the cache, which also trusts {KEY.name}"),
            (typo, f"is not the key {KEY.name} of the cache"),
            (swapped, f"is not the key {NEXT_KEY.name} of the cache"),
        ):
            for given in (
                (leaked,),
                (STRANGER.public_text, leaked),
                (leaked, STRANGER.public_text),
            ):
                with pytest.raises(UsageError):
                    signer.find_terms(target, None, given, None)
            with pytest.raises(UsageError, match=problem) as refused:
                signer.find_terms(target, None, (leaked,), None)
            assert "add --dropped" in str(refused.value.fix)
        confirmed = signer.find_terms(target, None, (LEAKED.public_text,), None, is_dropped=True)
        assert confirmed.trusted == tuple(both)
        alone = self.target(
            keys, publicKeys=[NEXT_KEY.public_text], keyNames={WRITER: NEXT_KEY.name}
        )
        found = signer.find_terms(alone, None, (LEAKED.public_text,), None)
        assert found.leaked == (LEAKED.public_text,)

    def test_a_leaked_key_is_left_out_under_each_of_its_names(self) -> None:
        """Signatures by any of them are those of a leaked key."""
        other_name = f"other-1:{KEY.public_text.partition(':')[2]}"
        target = self.target(
            {WRITER: NEXT_KEY.secret_text},
            publicKeys=[NEXT_KEY.public_text, other_spelling(KEY.public_text), other_name],
            keyNames={WRITER: NEXT_KEY.name},
        )

        found = signer.find_terms(target, None, (KEY.public_text,), None)

        assert found.trusted == (NEXT_KEY.public_text,)
        assert {one.partition(":")[0] for one in found.leaked} == {KEY.name, "other-1"}

    def test_a_time_without_a_zone_is_in_utc(self) -> None:
        """As the dates of objects are."""
        target = self.target({WRITER: KEY.secret_text})
        leaked = (LEAKED.public_text,)

        found = [
            signer.find_terms(target, None, leaked, text).before
            for text in ("2026-11-01", "2026-11-01T00:00:00", "2026-11-01T01:00:00+01:00")
        ]
        assert found == [BEFORE] * 3


def test_progress_has_a_rate_and_the_time_that_is_left() -> None:
    """As soon as they mean something."""
    assert report.progress(1, 10, 0.1) == "signed 1 of 10 paths"
    assert report.progress(1000, 4000, 50) == "signed 1,000 of 4,000 paths, 20/s, 2:30 left"
