"""Contents that were listed again are the same as if they had been listed for the first time."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from unittest import mock

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nix_cache.cli.inventory import objects
from nix_cache.cli.inventory.bucket import Bucket
from nix_cache.cli.inventory.contents import Contents
from tests.unit.cli.collected_cache import (
    CREDENTIAL,
    INFO,
    MANIFEST,
    OLD,
    YOUNG,
    nar_key,
    narinfo,
    narinfo_key,
    store_hash,
)
from tests.unit.cli.s3_double import DoubleTransport, S3Double

PATHS = 6
NUMBERS = st.integers(0, PATHS - 1)
URLS: list[Callable[[int], str]] = [nar_key, nar_key, lambda number: f"./{nar_key(number)}"]


@dataclass(frozen=True)
class Change:
    """An object that is put, or deleted.

    Attributes:
        key: of the object.
        content: what is put; None to delete it.
        is_old: whether it gets an old date.
    """

    key: str
    content: bytes | None
    is_old: bool = True

    def apply(self, storage: S3Double) -> None:
        """Do it."""
        if self.content is None:
            storage.objects.pop(self.key, None)
        else:
            storage.put(self.key, self.content, age=OLD if self.is_old else YOUNG)


@st.composite
def changes(draw: st.DrawFn) -> Change:
    """Return any change of a narinfo, a NAR or a list of files."""
    number = draw(NUMBERS)
    key, content = draw(
        st.sampled_from(
            [
                (narinfo_key(number), _narinfo(draw, number)),
                (narinfo_key(number), _narinfo(draw, number)),
                (narinfo_key(number), b"broken"),
                (nar_key(number), b"nar"),
                (nar_key(number), b"other"),
                (f"{store_hash(number)}.ls", b"{}"),
            ]
        )
    )
    return Change(key, draw(st.sampled_from([content, content, None])), draw(st.booleans()))


def _narinfo(draw: st.DrawFn, number: int) -> bytes:
    references = draw(st.sets(NUMBERS, max_size=2))
    url = draw(st.sampled_from(URLS))(draw(NUMBERS))
    return narinfo(number, sorted(references), url)


def shown(contents: Contents) -> dict[str, Any]:
    """Return all that collections and removals ask contents for."""
    narinfos, nars = contents.narinfos, contents.nars
    names = [store_hash(number) for number in range(PATHS)]
    keys = [nar_key(number) for number in range(PATHS)]
    every = narinfos.all
    return {
        "narinfos": dict(narinfos.items()),
        "values": {entry.stored.key: entry for entry in narinfos.values()},
        "nars": dict(nars.items()),
        "listings": dict(contents.listings.items()),
        "undated": contents.undated,
        "unreadable": contents.unreadable,
        "counts": (len(narinfos), len(nars), nars.total_bytes, narinfos.objects.total_bytes),
        "found": {name: narinfos.get(name) for name in names},
        "closures": {name: set(narinfos.closure([name])) for name in names},
        "others": {name: set(narinfos.closure([name]).others) for name in names},
        "dependents": {name: set(narinfos.with_dependents([name])) for name in names},
        "missing": narinfos.missing_references(every),
        "absent": narinfos.absent_references(every),
        "missing NARs": narinfos.missing_nars(every),
        "unnamed": {nars.key(number) for number in narinfos.named().unnamed()},
        "named": {key for key in keys if key in narinfos.named()},
        "named keys": set(narinfos.named().present),
        "naming": {key: _hashes(narinfos.naming([key])) for key in keys},
        "needing": {name: _hashes(narinfos.needing([name])) for name in names},
        "withdrawn": {name: _hashes(narinfos.needing([], [name])) for name in names},
    }


def _hashes(entries: Any) -> set[str]:
    return {entry.store_hash for entry in entries}


def bucket(storage: S3Double) -> Bucket:
    """Return a way into a storage."""
    made = Bucket(MANIFEST, CREDENTIAL, "owner", 1)
    transport = DoubleTransport(storage)
    for part in (made._client, made._listing._client, made._reader._client):
        part._transport = transport
    return made


ROUNDS = st.lists(st.lists(changes(), max_size=6), min_size=1, max_size=3)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(changes(), max_size=12),
    ROUNDS,
    st.sampled_from([3, 1000]),
    st.sampled_from([0, objects._MOST_IN_DICT]),
)
def test_contents_that_were_listed_again_are_those_of_a_first_listing(
    first: list[Change], rounds: list[list[Change]], page: int, most_in_dict: int
) -> None:
    """After any changes, of which several listings see some each; however names are searched."""
    with mock.patch.object(objects, "_MOST_IN_DICT", most_in_dict):
        require_the_same(first, rounds, page)


def require_the_same(first: list[Change], rounds: list[list[Change]], page: int) -> None:
    """Let changes happen between listings, and compare these with first listings."""
    storage = S3Double(MANIFEST.bucket, page=page)
    storage.put("nix-cache-info", INFO)
    for change in first:
        change.apply(storage)
    one = bucket(storage)
    known = one.contents()
    for changed in rounds:
        earlier = known.narinfos
        before = set(earlier)
        for change in changed:
            change.apply(storage)
        known = one.contents(known, removed=before - {key[:32] for key in storage.objects})
        fresh = bucket(storage).contents()
        assert shown(known) == shown(fresh)
        for name in before:
            some = earlier.closure([name])
            for listed in (known, fresh):
                assert set(some.within(listed.narinfos.objects)) == some & set(listed.narinfos)
                assert set(some.missing_in(listed.narinfos.objects)) == some - set(listed.narinfos)
