"""What `nix-cache gc` keeps and removes, on caches of any shape; no storage is asked."""

import base64
import hashlib
import itertools
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nix_cache.cli.errors import ClientError
from nix_cache.cli.gc import remarks, report
from nix_cache.cli.gc.sweep import Swept
from nix_cache.cli.inventory.contents import (
    YOUNG,
    Contents,
    Entry,
    ListedNarinfos,
    ListedNars,
    Stored,
)
from nix_cache.cli.inventory.ledger import LEDGER_KEY, MOST_NOTED, Ledger, ledger_content
from nix_cache.cli.inventory.objects import PackedObjects
from nix_cache.cli.inventory.plan import CollectionPlan, orphans, plan_collection
from nix_cache.cli.inventory.terms import Terms
from nix_cache.cli.limits import LEDGER_BYTES
from nix_cache.cli.machine import console
from nix_cache.cli.options import GRACE_DAYS
from nix_cache.cli.s3.client import S3Client
from nix_cache.cli.s3.credentials import Credential
from nix_cache.cli.s3.transport import Transport
from nix_cache.formats.nar_url import NarUrl
from nix_cache.iam.access import WRITABLE_KEYS
from nix_cache.iam.lifecycle import NARINFO_TTL_DAYS, NIX32, OWN_KEYS, expiry_rules
from tests.unit.cli.client_caches import manifest
from tests.unit.cli.misbehaving import always, answer, misbehaving

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
GRACE = timedelta(days=30)
NAMES = [letter * 32 for letter in NIX32[:6]]
DAYS = st.sampled_from([0, 0.5, 1, 10, 31, 99]).map(lambda count: timedelta(days=count))


def days(count: float) -> timedelta:
    """So many days."""
    return timedelta(days=count)


def nar_key(number: int) -> str:
    """Return the key of one of a few NARs."""
    return f"nar/{NIX32[number] * 52}.nar.zst"


def stored(key: str, age: timedelta) -> Stored:
    """Return an object of some age."""
    return Stored(key, 100, NOW - age, "etag")


def written(one: Stored) -> datetime:
    """When an object was written."""
    assert one.written
    return one.written


def entry(name: str, age: timedelta, nar: int, references: Iterable[str] = ()) -> Entry:
    """Return a narinfo."""
    key = f"{name}.narinfo"
    return Entry(stored(key, age), frozenset(references), NarUrl.parse(nar_key(nar)))


def broken(name: str, age: timedelta) -> Entry:
    """Return a narinfo that cannot be read."""
    return Entry.unreadable(stored(f"{name}.narinfo", age), "is malformed: NarHash is missing")


def bucket(
    narinfos: Mapping[str, Entry],
    nars: Mapping[int, timedelta],
    listings: Mapping[str, timedelta] | None = None,
) -> Contents:
    """Return what is in a bucket; NARs and listings by their ages."""
    return Contents.of(
        narinfos,
        {name: stored(f"{name}.ls", age) for name, age in (listings or {}).items()},
        {nar_key(number): stored(nar_key(number), age) for number, age in nars.items()},
    )


@st.composite
def buckets(draw: st.DrawFn, *, acyclic: bool = False, readable: bool = False) -> Contents:
    """Any bucket: references to anything or nothing, NARs that are shared, missing or left over."""
    present = draw(st.lists(st.sampled_from(NAMES), unique=True))
    narinfos = {}
    for position, name in enumerate(present):
        to = present[:position] if acyclic else [*NAMES, name]
        references = draw(st.sets(st.sampled_from(to), max_size=3)) if to else set()
        age, nar = draw(DAYS), draw(st.integers(0, 4))
        if readable or draw(st.integers(0, 4)):
            narinfos[name] = entry(name, age, nar, references)
        else:
            narinfos[name] = broken(name, age)
    nars = draw(st.dictionaries(st.integers(0, 6), DAYS))
    return bucket(narinfos, nars, draw(st.dictionaries(st.sampled_from(NAMES), DAYS)))


orphan_notes = st.dictionaries(
    st.integers(0, 6).map(nar_key), st.integers(-5, 99).map(lambda count: NOW - days(count))
)
all_terms = st.builds(
    Terms,
    now=st.just(NOW),
    older_than=st.integers(1, 99).map(days),
    grace=st.integers(0, 60).map(days),
    roots=st.lists(st.sampled_from(NAMES), max_size=3).map(tuple),
    set_aside=st.sampled_from([frozenset(NAMES), frozenset(NAMES[:3]), frozenset[str]()]),
)


def needed(contents: Contents, terms: Terms) -> set[str]:
    """Return what has to stay, found in another way: by going on until nothing is added."""
    if not {one.store_hash for one in contents.unreadable} <= terms.set_aside:
        return set(contents.narinfos)
    found = {
        name
        for name, one in contents.narinfos.items()
        if name in terms.roots or one.fault or NOW - written(one.stored) <= terms.older_than
    }
    while True:
        more = {ref for name in found for ref in contents.narinfos[name].references}
        more &= contents.narinfos.keys()
        if more <= found:
            return found
        found |= more


def named(contents: Contents) -> set[str]:
    """Return the keys of the NARs that readable narinfos name."""
    return {str(one.url.key) for one in contents.narinfos.values() if one.url}


def gone(plan: CollectionPlan) -> set[str]:
    """Return the store paths that a plan removes."""
    return {one.stored.key.removesuffix(".narinfo") for one in plan.narinfos}


def after(plan: CollectionPlan) -> Contents:
    """Return the bucket when the plan is done."""
    contents, nars = plan.contents, {nar.key for nar in plan.nars}
    listings = {listing.key for listing in plan.listings}
    return Contents.of(
        {name: one for name, one in contents.narinfos.items() if name not in gone(plan)},
        {name: one for name, one in contents.listings.items() if one.key not in listings},
        {key: one for key, one in contents.nars.items() if key not in nars},
    )


class TestNarinfos:
    """Which store paths stay."""

    @given(buckets(), orphan_notes, all_terms)
    def test_exactly_what_no_root_needs_goes(
        self, contents: Contents, noted: dict[str, datetime], terms: Terms
    ) -> None:
        """Whatever refers to whatever, in circles too."""
        plan = plan_collection(contents, noted, terms)

        assert gone(plan) == contents.narinfos.keys() - needed(contents, terms)
        assert len(gone(plan)) == len(plan.narinfos)

    @given(buckets(acyclic=True), all_terms)
    def test_a_removal_that_stops_anywhere_leaves_closures_whole(
        self, contents: Contents, terms: Terms
    ) -> None:
        """What needs a path goes before it."""
        plan = plan_collection(contents, {}, terms)
        removed: set[str] = set()
        for one in plan.narinfos:
            removed.add(one.stored.key.removesuffix(".narinfo"))
            left = contents.narinfos.keys() - removed
            assert not any(contents.narinfos[name].references & removed for name in left)

    def test_what_stays_and_lacks_something_is_reported(self) -> None:
        """A missing reference is no reason to stop; a path's reference to itself is none."""
        one, two, lost = NAMES[:3]
        narinfos = {one: entry(one, days(1), 0, [one, two, lost]), two: entry(two, days(99), 1)}
        terms = Terms(NOW, days(30), GRACE, roots=(one, lost))

        plan = plan_collection(bucket(narinfos, {}), {}, terms)

        assert plan.narinfos == ()
        assert plan.missing == {one: [lost]}
        assert plan.absent_roots == (lost,)

    def test_nothing_goes_while_a_narinfo_cannot_be_read(self) -> None:
        """It may need anything, whatever its age, until it is set aside."""
        torn, old, needed = NAMES[:3]
        contents = bucket(
            {torn: broken(torn, days(99)), old: entry(old, days(99), 0, [needed])},
            {0: days(99), 1: days(99)},
            {needed: days(99)},
        )
        noted = {nar_key(1): NOW - days(60)}
        terms = Terms(NOW, days(30), GRACE)

        plan = plan_collection(contents, noted, terms)
        assert plan.is_empty
        assert plan.blocking == (contents.narinfos[torn],)

        aside = plan_collection(contents, noted, replace(terms, set_aside=frozenset({torn})))
        assert gone(aside) == {old}
        assert [nar.key for nar in aside.nars] == [nar_key(1)]
        assert [listing.key for listing in aside.listings] == [f"{needed}.ls"]
        assert (aside.blocking, aside.set_aside) == ((), (contents.narinfos[torn],))

    def test_what_has_no_date_is_young(self) -> None:
        """Its age is not known."""
        name = NAMES[0]
        contents = bucket({name: entry(name, days(99), 0)}, {1: days(99)}, {NAMES[1]: days(99)})
        undated = Contents.of(
            {
                key: replace(one, stored=replace(one.stored, written=None))
                for key, one in contents.narinfos.items()
            },
            {key: replace(one, written=None) for key, one in contents.listings.items()},
            {key: replace(one, written=None) for key, one in contents.nars.items()},
        )
        noted = {nar_key(1): NOW - days(60)}

        assert not plan_collection(contents, noted, Terms(NOW, days(30), GRACE)).is_empty
        plan = plan_collection(undated, noted, Terms(NOW, days(30), GRACE))
        assert plan.is_empty
        assert len(undated.undated) == 3

    def test_a_long_chain_is_followed_to_its_end(self) -> None:
        """Closures may be deeper than Python's stack."""
        names = [f"{number:032}" for number in range(20_000)]
        following = dict(itertools.pairwise(names))
        chain = {name: entry(name, days(1), 0, [following.get(name, name)]) for name in names}
        narinfos = bucket(chain, {}).narinfos

        assert len(narinfos.closure(names[:1])) == len(names)
        order = narinfos.dependents_first(narinfos.all)
        assert [one.store_hash for one in order] == names


class TestNars:
    """Which NARs stay."""

    @given(buckets(), orphan_notes, all_terms)
    def test_no_nar_goes_that_a_narinfo_names(
        self, contents: Contents, noted: dict[str, datetime], terms: Terms
    ) -> None:
        """One of several that share it is enough."""
        plan = plan_collection(contents, noted, terms)

        assert not named(after(plan)) & {nar.key for nar in plan.nars}
        assert not named(after(plan)) & plan.waiting.keys()

    @given(buckets(readable=True), orphan_notes, all_terms)
    def test_a_nar_goes_exactly_when_its_grace_is_over(
        self, contents: Contents, noted: dict[str, datetime], terms: Terms
    ) -> None:
        """Grace begins when it is first seen without a narinfo, and with each new upload."""
        plan = plan_collection(contents, noted, terms)
        left = named(after(plan))
        before = named(contents)
        expected = set()
        for key, nar in contents.nars.items():
            since = noted.get(key, NOW) if key not in before else NOW
            begin = max(min(since, NOW), written(nar))
            if key not in left and NOW - begin >= terms.grace and NOW - written(nar) >= YOUNG:
                expected.add(key)

        assert {nar.key for nar in plan.nars} == expected
        assert all(when > NOW for when in plan.waiting.values())

    @given(buckets(), orphan_notes, all_terms)
    def test_no_nar_goes_while_a_narinfo_cannot_be_read(
        self, contents: Contents, noted: dict[str, datetime], terms: Terms
    ) -> None:
        """It may name any."""
        strange = {**contents.narinfos, "z" * 32: broken("z" * 32, days(0))}

        contents = Contents.of(strange, contents.listings, contents.nars)

        assert plan_collection(contents, noted, terms).is_empty

    @given(buckets(readable=True), orphan_notes, all_terms)
    def test_a_second_run_finds_nothing_to_do(
        self, contents: Contents, noted: dict[str, datetime], terms: Terms
    ) -> None:
        """And one after the grace leaves no NAR without a narinfo."""
        first = plan_collection(contents, noted, terms)
        started = orphans(contents, contents.narinfos.all, noted, NOW)
        left = after(first)
        ledger = orphans(left, left.narinfos.all, started, NOW)

        assert plan_collection(left, ledger, terms).is_empty

        later = NOW + max(terms.grace, YOUNG)
        kept = replace(terms, now=later, roots=tuple(left.narinfos))
        last = plan_collection(left, ledger, kept)
        assert not last.narinfos
        assert after(last).nars.keys() == {key for key in left.nars if key in named(left)}

    def test_a_nar_that_was_named_again_begins_its_grace_again(self) -> None:
        """What was noted of it before its narinfo came back does not count."""
        name = NAMES[0]
        contents = bucket({name: entry(name, days(99), 0)}, {0: days(150)})
        noted = {nar_key(0): NOW - days(120)}

        plan = plan_collection(contents, noted, Terms(NOW, days(30), GRACE))

        assert gone(plan) == {name}
        assert plan.nars == ()
        assert plan.waiting == {nar_key(0): NOW + GRACE}

    def test_the_usual_grace_is_as_long_as_clients_believe_a_narinfo(self) -> None:
        """No user looks for a NAR that has just gone."""
        assert GRACE_DAYS == NARINFO_TTL_DAYS

    def test_a_nar_that_is_missing_is_named(self) -> None:
        """With the path that stays and needs it; other folders are not listed."""
        one, two, three = NAMES[:3]
        elsewhere = replace(entry(three, days(1), 0), url=NarUrl.parse("pool/x.nar"))
        narinfos = {one: entry(one, days(1), 0), two: entry(two, days(1), 1), three: elsewhere}

        plan = plan_collection(bucket(narinfos, {1: days(1)}), {}, Terms(NOW, days(30), GRACE))

        assert plan.missing_nars == {one: nar_key(0)}


class TestListings:
    """The lists of files beside narinfos."""

    @given(buckets(readable=True), all_terms)
    def test_a_listing_goes_with_its_narinfo(self, contents: Contents, terms: Terms) -> None:
        """But none that a push under way may just have put."""
        plan = plan_collection(contents, {}, terms)
        left = after(plan)

        assert {one.key for one in plan.listings} == {
            one.key
            for name, one in contents.listings.items()
            if name not in left.narinfos and NOW - written(one) >= YOUNG
        }


class TestContents:
    """What is collected at all."""

    def test_everything_else_is_left_alone(self) -> None:
        """What other features of Nix put, the cache's metadata, and unknown objects."""
        own = ["log/x.drv", "debuginfo/0a.debug", "realisations/sha256:0!out.doi", LEDGER_KEY]
        odd = ["nar/readme.txt", "nar/a/b.nar", "short.narinfo", f"{NAMES[0]}.narinfo.bak", "x.ls"]
        known = [f"{NAMES[0]}.narinfo", f"{NAMES[0]}.ls", nar_key(0), f"nar/{'0' * 52}.nar"]
        known += [f"nar/{'e' * 64}.nar.xz", f"nar/{NAMES[0]}-{'0' * 52}.nar"]  # of other tools
        objects = [
            stored(key, days(1)) for key in [*OWN_KEYS, *own, "build-trace-v2/0.doi", *odd, *known]
        ]

        kinds, below = ListedNarinfos(None), ListedNars(None)
        narinfos, listings, _ = kinds.joined([kinds.kept(objects)])
        nars, _ = below.joined([below.kept(objects)])
        found = itertools.chain(narinfos.values(), listings.values(), nars.values())
        assert {one.key: one for one in found} == {
            one.key: one for one in objects if one.key in known
        }


def nars_of(keys: Iterable[str]) -> PackedObjects:
    """Return objects with some keys."""
    return PackedObjects.of({key: stored(key, days(1)) for key in keys}, common="nar/")


class TestLedger:
    """The note of NARs without a narinfo."""

    @given(orphan_notes)
    def test_it_comes_back_as_it_was(self, noted: dict[str, datetime]) -> None:
        """For the NARs that are asked for."""
        read = Ledger.parse(ledger_content(noted))

        assert read.since(nars_of(noted)) == noted
        assert read.since(nars_of([nar_key(20)])) == {}

    def test_however_many_there_are_it_can_be_read_again(self) -> None:
        """The oldest are noted, so that each is once. Else no grace would ever end."""
        time = NOW.replace(microsecond=123456)
        noted = {f"nar/{number}.nar": time for number in range(MOST_NOTED + 10)}
        oldest = f"nar/{MOST_NOTED + 9}.nar"
        noted[oldest] = time - timedelta(seconds=1)

        content = ledger_content(noted)

        assert len(content) <= LEDGER_BYTES
        read = Ledger.parse(content).since(nars_of(noted))
        assert len(read) == MOST_NOTED
        assert read[oldest] == noted[oldest]

    def test_it_does_not_reveal_what_could_be_downloaded(self) -> None:
        """Any user may read it in a public cache."""
        assert NIX32[0] * 52 not in ledger_content({nar_key(0): NOW}).decode()

    @pytest.mark.parametrize("content", [b"", b"[]", b'{"orphans": {"a": "soon"}}', b"\xff"])
    def test_what_is_none_is_distinguished(self, content: bytes) -> None:
        """The caller begins again, and says so."""
        with pytest.raises(ValueError, match="is no note"):
            Ledger.parse(content)

    def test_a_newer_one_is_not_touched(self) -> None:
        """Its writer knows more."""
        with pytest.raises(ClientError, match="version 2, and this nix-cache reads version 1; ins"):
            Ledger.parse(b'{"version": 2, "orphans": {}}')

    def test_no_expiry_rule_takes_it(self) -> None:
        """Else all grace would begin again, again and again."""
        assert not [one for one in expiry_rules(30) if LEDGER_KEY.startswith(one.prefix)]

    def test_no_writer_may_put_it(self) -> None:
        """Where the backend has policies by key."""
        assert not any(fnmatchcase(LEDGER_KEY, pattern) for pattern in WRITABLE_KEYS)


class TestReport:
    """What people are reported."""

    TERMS = Terms(NOW, days(90), GRACE)

    def test_what_goes_what_waits_and_what_stays_is_counted(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """With the reason, the room, and the day."""
        old, new = NAMES[:2]
        narinfos = {old: entry(old, days(99), 0), new: entry(new, days(1), 1)}
        contents = bucket(narinfos, {0: days(99), 1: days(1), 2: days(99)}, {old: days(99)})
        noted = {nar_key(2): NOW - days(31)}

        report.print_plan(plan_collection(contents, noted, self.TERMS), self.TERMS, console.out)

        assert capsys.readouterr().out.splitlines() == [
            "  delete  1 narinfo  100 B  older than 90 days, not needed by a kept path",
            "  delete  1 listing  100 B  of files, without a kept narinfo",
            "  delete  1 NAR      100 B  without a narinfo for 30 days",
            "  wait    1 NAR      100 B  without a narinfo; deleted by a run after 2026-12-21",
            "  keep    1 narinfo  100 B",
            "  keep    1 NAR      100 B",
        ]

    def test_what_is_odd_is_reported(self) -> None:
        """Each with what it means; of many things only some."""
        lost = [letter * 32 for letter in NIX32[10:25]]
        torn, live = broken(NAMES[0], days(9)), entry(NAMES[1], days(9), 0, lost)
        terms = replace(self.TERMS, grace=days(3), roots=tuple(lost))
        plan = plan_collection(bucket({NAMES[0]: torn, NAMES[1]: live}, {}), {}, terms)

        said = "\n".join(remarks.remarks(plan, terms))

        assert "1 narinfo cannot be read, so what others must keep is not known. Nothing" in said
        assert f"{torn.stored.key}: is malformed: NarHash is missing" in said
        assert f"name it with --set-aside {NAMES[0]}." in said
        assert "The cache lacks 15 paths that others, which stay, refer to:" in said
        assert "Of the paths to keep, the cache lacks 15:" in said
        assert "and 5 more; --json prints all" in said
        assert "clients believe a narinfo for 30 days after it is gone. With 3 days of" in said

    def test_unknown_objects_among_the_nars_are_named(self) -> None:
        """They take up space that no run frees."""
        plan = plan_collection(
            replace(bucket({}, {}), foreign=frozenset({"nar/b", "nar/a"})), {}, self.TERMS
        )

        said = list(remarks.remarks(plan, self.TERMS))

        assert said[0].startswith("2 objects below nar/ without the name of a NAR: never deleted.")
        assert [line.strip() for line in said[1:]] == ["nar/a", "nar/b"]
        assert report.document(plan, None)["foreign"] == ["nar/a", "nar/b"]

    def test_a_healthy_cache_gives_no_remarks(self) -> None:
        """Also if it is empty."""
        assert not list(
            remarks.remarks(plan_collection(bucket({}, {}), {}, self.TERMS), self.TERMS)
        )

    def test_what_was_removed_is_reported_and_what_is_only_hidden(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """With what waits."""
        name = NAMES[0]
        plan = plan_collection(
            bucket({name: entry(name, days(99), 0)}, {0: days(99)}), {}, self.TERMS
        )
        swept = Swept(narinfos=(plan.narinfos[0].stored,), hidden=1)

        report.print_done(plan, swept, "nix-cache gc demo --undo 12ab")

        reported = capsys.readouterr()
        assert reported.out == (
            "Deleted 1 narinfo (100 B). 1 NAR (100 B) without a narinfo: deleted by a run after "
            "2026-12-21.\n"
        )
        assert "Restore what this run deleted with `nix-cache gc demo --undo 12ab`" in reported.err
        assert "1 deleted object will take up space until" in reported.err
        console.document(report.document(plan, swept))
        assert json.loads(capsys.readouterr().out)["waiting"] == {
            nar_key(0): "2026-12-21T12:00:00+00:00"
        }


def test_what_goes_is_named_under_a_checksum_that_every_storage_takes() -> None:
    """B2 refuses those that boto3 sends by itself, and older servers ask for MD5."""
    with misbehaving(always(answer(b"<DeleteResult/>"))) as server:
        client = S3Client.of(
            manifest(endpoint=server.url),
            Credential(access_key_id="key", secret_access_key="secret"),
            Transport(),
        )
        client.delete(["a"])

    head, _, body = server.received[0].partition(b"\r\n\r\n")
    lines = (line.partition(": ") for line in head.decode().lower().split("\r\n"))
    headers = {name: value for name, _, value in lines}
    digest = base64.b64encode(hashlib.md5(body).digest()).decode()
    assert headers["content-md5"] == digest.lower()
    assert "content-md5" in headers["authorization"]
    assert not [name for name in headers if "checksum" in name]
