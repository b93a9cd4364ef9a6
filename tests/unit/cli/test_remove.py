"""What `nix-cache remove` removes and keeps. `tests/engine/test_remove.py` runs it on MinIO."""

import contextlib
import io
import json
import sys
import tracemalloc
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from nix_cache.cli.caches.manager import Manager
from nix_cache.cli.caches.manifest_rules import bucket_url
from nix_cache.cli.caches.source import Source
from nix_cache.cli.caches.target import Target
from nix_cache.cli.errors import ClientError, UsageError
from nix_cache.cli.inventory import bucket as bucket_module
from nix_cache.cli.inventory.keys import Keys
from nix_cache.cli.inventory.running import RunNote
from nix_cache.cli.machine import console
from nix_cache.cli.remove import belongings, report, session
from nix_cache.cli.remove.belongings import Belongings
from nix_cache.cli.remove.journal import Journal
from nix_cache.cli.remove.paths import PackedPaths
from nix_cache.cli.remove.plan import plan_removal
from nix_cache.cli.remove.sweep import Removal, Removed
from nix_cache.cli.s3.versions import Versioning
from nix_cache.formats import signing
from nix_cache.formats.collection_run import RUN_DELETES_WITHIN, RUN_KEY, CollectionRun
from nix_cache.formats.narinfo import Narinfo
from nix_cache.iam.lifecycle import NIX32
from tests.engine.patient import signed
from tests.unit.cli.client_caches import KEY, NEXT_KEY, manifest
from tests.unit.cli.collected_cache import (
    CREDENTIAL,
    OLD,
    CollectedCache,
    Done,
    base_name,
    collected_cache,
    nar_key,
    narinfo,
    narinfo_key,
    one_by_one,
    store_hash,
)
from tests.unit.cli.s3_double import DoubleTransport
from tests.unit.cli.test_gc_pins import pin
from tests.unit.cli.test_gc_realisations import by_derivation, by_hash
from tests.unit.cli.test_inventory import contents_of

MOST_BYTES_PER_PATH = 300


class KilledError(BaseException):
    """Stands for `kill -9`."""


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Provide a folder for what the command keeps on this machine."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "nix-cache" / "removals"


@contextlib.contextmanager
def served(cache: CollectedCache, **changes: Any) -> Iterator[None]:
    """Let the command find a cache."""
    target = Target(Source(manifest(**changes)), None)
    clock = cache.storage.clock
    with (
        contextlib.ExitStack() as patched,
        mock.patch.object(
            session, "find_manager", return_value=Manager(target, CREDENTIAL, "owner")
        ),
        mock.patch.object(bucket_module, "Transport", return_value=DoubleTransport(cache.storage)),
        mock.patch.object(
            bucket_module, "RunNote", partial(RunNote, clock=lambda: clock().timestamp())
        ),
    ):
        for name, module in sys.modules.items():
            if name.startswith("nix_cache.cli.inventory.") and hasattr(module, "in_parallel"):
                patched.enter_context(mock.patch.object(module, "in_parallel", one_by_one))
        yield


def removed(
    cache: CollectedCache, *numbers: int, changes: dict[str, Any] | None = None, **wishes: Any
) -> Done:
    """Run the command on some paths."""
    request = session.RemovalRequest(
        **{
            "cache": None,
            "project": None,
            "owner": "owner",
            "paths": tuple(f"/nix/store/{base_name(number)}" for number in numbers),
            "signed_by": None,
            "since": None,
            "with_dependents": False,
            "dry_run": False,
            "agreed": True,
            "jobs": 1,
            **wishes,
        }
    )
    out, err = io.StringIO(), io.StringIO()
    with (
        served(cache, **(changes or {})),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        well = session.run(request, as_json=True)
    return Done(well, json.loads(out.getvalue()), err.getvalue())


def chain() -> CollectedCache:
    """Return a cache in which 3 needs 2, which needs 1; 4 needs nothing."""
    cache = collected_cache()
    cache.push(1, age=OLD)
    cache.push(2, [1], age=OLD)
    cache.push(3, [2])
    cache.push(4)
    return cache


def is_whole(cache: CollectedCache) -> bool:
    """Return whether every path has its NAR and its references."""
    objects = cache.storage.objects
    narinfos = [
        Narinfo.parse(held.content) for key, held in objects.items() if key.endswith(".narinfo")
    ]
    return all(
        one.url in objects and all(f"{name[:32]}.narinfo" in objects for name in one.references)
        for one in narinfos
    )


@pytest.mark.parametrize("most_asked", [0, 100])
def test_a_path_goes_with_its_nar_at_once_and_with_what_belongs_to_it(
    most_asked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Build logs of many paths are listed, those of a few are asked for."""
    monkeypatch.setattr(belongings, "ONE_BY_ONE", most_asked)
    cache = chain()
    drv = f"{store_hash(9)}-path.drv"
    content = narinfo(5) + f"Deriver: {drv}\n".encode()
    cache.storage.put(nar_key(5), b"secret")
    cache.storage.put(narinfo_key(5), content)
    for key in (f"log/{drv}", "log/other.drv", f"{store_hash(5)}.ls", f"{store_hash(4)}.ls"):
        cache.storage.put(key, b"{}")
    for name, number in (("aa", 5), ("bb", 4)):
        entry = json.dumps({"archive": f"../{nar_key(number)}", "member": "x"})
        cache.storage.put(f"debuginfo/{name}.debug", entry.encode())
    done = removed(cache, 5)
    assert done.well
    assert cache.storage.deleted[0] == narinfo_key(5)
    assert set(cache.storage.deleted) == {
        narinfo_key(5),
        nar_key(5),
        f"log/{drv}",
        f"{store_hash(5)}.ls",
        "debuginfo/aa.debug",
    }
    assert done.result["narinfos"] == [narinfo_key(5)]
    assert done.result["paths"] == [f"/nix/store/{base_name(5)}"]
    assert "A path that is pushed again comes back" in done.said
    assert "A secret that was in it must be replaced" in done.said


def put_output(cache: CollectedCache, number: int) -> str:
    """Put a path as one of the outputs of a derivation; returns the key of the build log."""
    drv = f"{store_hash(9)}-path.drv"
    cache.storage.put(nar_key(number), b"nar")
    cache.storage.put(narinfo_key(number), narinfo(number) + f"Deriver: {drv}\n".encode())
    cache.storage.put(log := f"log/{drv}", b"{}")
    return log


def test_a_build_log_stays_while_another_output_does() -> None:
    """The command names that output; without it the log goes."""
    cache = chain()
    log = put_output(cache, 5)
    put_output(cache, 6)

    done = removed(cache, 5)

    assert done.well
    assert log in cache.storage.objects
    assert done.result["keptLogs"] == {log: [f"/nix/store/{base_name(6)}"]}
    assert f"{log} is kept: /nix/store/{base_name(6)} is of the same derivation" in done.said

    put_output(cache, 5)
    both = removed(cache, 5, 6)
    assert both.result["keptLogs"] == {}
    assert log not in cache.storage.objects


@pytest.mark.parametrize("form", [by_hash, by_derivation])
def test_realisations_that_name_a_removed_path_go(form: Any) -> None:
    """Those of other paths stay, also one that was written again for another path meanwhile."""
    cache = chain()
    key, content = form(4)
    kept = form(1)
    for one in (form(4), kept):
        cache.storage.put(*one, age=OLD)
    assert removed(cache, 4).result["objects"] == [nar_key(4), key]
    assert kept[0] in cache.storage.objects

    cache.push(4)
    cache.storage.put(key, content, age=OLD)
    other = content.replace(base_name(4).encode(), base_name(1).encode())

    def push(_: int) -> None:
        if RUN_KEY in cache.storage.objects and narinfo_key(4) not in cache.storage.objects:
            cache.storage.put(key, other)

    cache.storage.before = push
    assert removed(cache, 4).result["objects"] == [nar_key(4)]
    assert cache.storage.objects[key].content == other


def test_a_realisation_of_a_path_that_was_collected_goes() -> None:
    """The path was asked for; and the realisation stays if the path is pushed meanwhile."""
    cache = chain()
    key, content = by_hash(10)
    cache.storage.put(key, content, age=OLD)
    done = removed(cache, 10)
    assert done.well
    assert done.result["objects"] == [key]
    assert cache.paths == {1, 2, 3, 4}

    cache.storage.put(key, content, age=OLD)

    def push(_: int) -> None:
        if RUN_KEY in cache.storage.objects and 10 not in cache.paths:
            cache.push(10)

    del cache.storage.objects[RUN_KEY]
    cache.storage.before = push
    assert removed(cache, 10).result["objects"] == []
    assert key in cache.storage.objects


def test_a_realisation_of_an_interrupted_removal_stays_if_its_path_is_there() -> None:
    cache = chain()
    gone, kept = by_hash(10), by_hash(11)
    cache.storage.put(*gone)
    cache.storage.put(kept[0], kept[1].replace(base_name(11).encode(), base_name(1).encode()))
    Journal(manifest()).note([narinfo_key(10), narinfo_key(11), gone[0], kept[0]])

    assert removed(cache, 3).well

    assert gone[0] not in cache.storage.objects
    assert kept[0] in cache.storage.objects


def test_a_path_that_others_need_is_refused_with_their_names() -> None:
    cache = chain()
    done = removed(cache, 1)
    assert not done.well
    assert done.result["isRefused"]
    assert not done.result["dryRun"]
    assert removed(cache, 1, dry_run=True).result["dryRun"]
    assert done.result["dependents"] == sorted(f"/nix/store/{base_name(n)}" for n in (2, 3))
    assert base_name(3) in done.said
    assert not cache.storage.deleted


def test_people_read_a_refusal_as_an_error() -> None:
    request = session.RemovalRequest(
        None, None, "owner", (store_hash(1),), None, None, False, False, True, 1
    )
    with (
        served(chain()),
        contextlib.redirect_stderr(io.StringIO()),
        pytest.raises(ClientError, match="--with-dependents"),
    ):
        session.run(request, as_json=False)


def test_dependents_go_first() -> None:
    cache = chain()
    done = removed(cache, 1, with_dependents=True)
    assert done.well
    assert cache.storage.deleted[:3] == [narinfo_key(n) for n in (3, 2, 1)]
    assert cache.paths == {4}
    assert cache.nars == {4}


def test_a_nar_that_another_path_has_too_is_kept_and_named() -> None:
    cache = chain()
    cache.storage.put(narinfo_key(5), narinfo(5, url=nar_key(4)))
    done = removed(cache, 4)
    assert not done.well
    assert done.result["keptNars"] == {nar_key(4): [store_hash(5)]}
    assert cache.paths == {1, 2, 3, 5}
    assert 4 in cache.nars
    assert removed(cache, 5).well
    assert 4 not in cache.nars


def test_a_dry_run_changes_nothing() -> None:
    cache = chain()
    before = dict(cache.storage.objects)
    done = removed(cache, 1, with_dependents=True, dry_run=True)
    assert done.well
    assert done.result["dryRun"]
    assert done.result["narinfos"] == [narinfo_key(n) for n in (3, 2, 1)]
    assert cache.storage.objects == before


def test_a_path_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ClientError, match="is not in the cache"):
        removed(chain(), 7)


def test_a_pin_that_names_what_goes_is_named() -> None:
    cache = chain()
    for name, number in (("app", 4), ("other", 1)):
        pin(cache, number, age=timedelta(), name=name)

    done = removed(cache, 4)

    assert done.well
    assert done.result["pins"] == {"app": [f"/nix/store/{base_name(4)}"]}
    assert "run `nix-cache unpin app`" in done.said
    assert "unpin other" not in done.said


def test_a_pin_that_cannot_be_read_does_not_prevent_a_removal() -> None:
    cache = chain()
    cache.storage.put(pin(cache, 4, age=timedelta()), b"no revision")

    done = removed(cache, 4)

    assert done.well
    assert narinfo_key(4) in cache.storage.deleted
    assert "whether a pin names what goes is not known" in done.said


def test_a_narinfo_that_cannot_be_read_stops_it_unless_it_is_named_too() -> None:
    cache = chain()
    cache.storage.put(narinfo_key(6), b"<html>")
    with pytest.raises(ClientError, match="name it too"):
        removed(cache, 4)
    assert not cache.storage.deleted
    assert removed(cache, 4, 6).well
    assert cache.paths == {1, 2, 3}


@pytest.mark.parametrize(
    "wishes",
    [
        {"paths": ()},
        {"paths": (store_hash(1),), "signed_by": "k-1"},
        {"paths": (store_hash(1),), "since": "2026-01-01"},
        {"paths": (), "signed_by": ""},
        {"paths": (), "signed_by": "k-1:AAAA"},
        {"paths": (), "signed_by": "k-1", "since": "yesterday"},
        {"paths": (), "signed_by": "k-1", "since": "2999-01-01"},
        {"paths": ("hello",)},
    ],
)
def test_a_request_without_sense_is_refused(wishes: dict[str, Any]) -> None:
    cache = chain()
    with pytest.raises(UsageError):
        removed(cache, **wishes)
    assert not cache.storage.deleted


def test_it_asks_at_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """The question has the service, as two caches in use can have one bucket name."""
    cache = chain()
    asked: list[str] = []
    with pytest.raises(UsageError, match="--yes"):
        removed(cache, 4, agreed=False)
    monkeypatch.setattr("sys.stdin", mock.Mock(isatty=lambda: True))
    monkeypatch.setattr(console, "confirmed", asked.append)
    with served(cache), contextlib.redirect_stderr(io.StringIO()):
        request = session.RemovalRequest(
            None, None, "owner", (store_hash(4),), None, None, False, False, False, 1
        )
        assert not session.run(request, as_json=False)
    assert asked == [f"Remove this from {bucket_url(manifest())}?"]
    assert not cache.storage.deleted


def test_the_cache_is_whole_wherever_it_is_killed_and_the_next_run_goes_on(state: Path) -> None:
    """The next run also removes NARs that nothing names any more."""
    last = 0
    while True:
        cache = chain()
        left = last

        def kill(_: int, cache: CollectedCache = cache) -> None:
            nonlocal left
            if left == 0:
                raise KilledError
            left -= 1

        cache.storage.before = kill
        try:
            done = removed(cache, 1, with_dependents=True)
        except KilledError:
            assert is_whole(cache)
            cache.storage.before = lambda _: None
            if (run := cache.storage.objects.get(RUN_KEY)) is not None:
                age = RUN_DELETES_WITHIN + timedelta(minutes=1)
                cache.storage.put(RUN_KEY, run.content, age=age)
            if cache.nars != {4} or cache.paths != {4}:
                assert removed(cache, 1, with_dependents=True).well
            elif list(state.glob("*.json")):
                assert removed(cache, 1).well
            assert cache.paths == {4}
            assert cache.nars == {4}
        else:
            assert done.well
            break
        assert not list(state.glob("*.json"))
        last += 1
    assert last > 10


def test_what_is_left_to_remove_is_noted_for_the_user_alone(state: Path) -> None:
    cache = chain()
    seen: list[int] = []

    def look(_: int) -> None:
        if cache.storage.deleted and not seen:
            (file,) = state.glob("*.json")
            assert nar_key(4) in json.loads(file.read_text())["keys"]
            seen.append(file.stat().st_mode & 0o777)

    cache.storage.before = look
    assert removed(cache, 4).well
    assert seen == [0o600]
    assert not list(state.glob("*.json"))


def test_a_nar_of_an_interrupted_removal_stays_if_it_was_pushed_again(state: Path) -> None:
    cache = chain()
    state.mkdir(parents=True)
    done = removed(cache, 4)
    assert done.well
    cache.push(4)
    (state / "x").write_text("")
    with served(cache):
        Journal(manifest()).note([nar_key(4), nar_key(3), f"{store_hash(3)}.ls"])
    assert removed(cache, 3).well
    assert cache.nars == {1, 2, 4}


def test_logs_of_an_interrupted_removal_stay_if_its_path_does(state: Path) -> None:
    """A removal was interrupted before it removed anything, or its path was pushed again."""
    cache = chain()
    others = {f"log/{store_hash(9)}-path.drv", "debuginfo/aa.debug"}
    for key in others:
        cache.storage.put(key, b"{}")
    Journal(manifest()).note([narinfo_key(4), nar_key(4), *others])

    done = removed(cache, 3)

    assert done.well
    assert set(cache.storage.deleted) == {narinfo_key(3), nar_key(3)}
    assert "an interrupted removal noted are kept (2)" in done.said
    Journal(manifest()).note([narinfo_key(4), nar_key(4), *others])
    assert removed(cache, 4).well
    assert others.isdisjoint(cache.storage.objects)


def test_a_dependent_that_is_pushed_before_the_removal_begins_stops_it() -> None:
    cache = chain()

    def push(_: int) -> None:
        if "nix-cache-gc-run.json" in cache.storage.objects and 5 not in cache.paths:
            cache.push(5, [4])

    cache.storage.before = push
    with pytest.raises(ClientError, match="was pushed meanwhile"):
        removed(cache, 4)
    assert cache.paths == {1, 2, 3, 4, 5}
    assert not cache.storage.deleted


def test_a_path_that_is_pushed_during_the_removal_and_lacks_one_is_named() -> None:
    cache = chain()

    def push(_: int) -> None:
        if cache.storage.deleted and 5 not in cache.paths:
            cache.push(5, [4])

    cache.storage.before = push
    done = removed(cache, 4)
    assert not done.well
    assert done.result["lost"] == [narinfo_key(5)]
    assert CollectionRun.parse(cache.storage.objects[RUN_KEY].content).leaves_doubt


def test_a_nar_that_a_new_narinfo_names_is_kept() -> None:
    cache = chain()

    def push(_: int) -> None:
        if cache.storage.deleted and 5 not in cache.paths:
            cache.storage.put(narinfo_key(5), narinfo(5, url=nar_key(4)))

    cache.storage.before = push
    removed(cache, 4)
    assert 4 in cache.nars
    assert is_whole(cache)


def test_a_removal_shows_pushes_that_it_goes_on() -> None:
    cache = chain()
    removed(cache, 4)
    run = json.loads(cache.storage.objects["nix-cache-gc-run.json"].content)
    assert run["running"] is False


def put_signed(
    cache: CollectedCache, number: int, *keys: signing.SecretKey, age: timedelta
) -> None:
    """Put a path that some keys signed."""
    text = narinfo(number).decode().partition("Sig:")[0]
    for key in keys:
        text = signed(text, key.secret_text)
    cache.storage.put(nar_key(number), b"nar", age=age)
    cache.storage.put(narinfo_key(number), text.encode(), age=age)


@pytest.fixture
def leaked() -> CollectedCache:
    """Provide a cache: the leaked key signed 1, 2 and 5, which the next key signed too."""
    cache = collected_cache()
    put_signed(cache, 1, KEY, age=OLD)
    put_signed(cache, 2, KEY, age=timedelta(hours=1))
    put_signed(cache, 3, NEXT_KEY, age=OLD)
    put_signed(cache, 5, KEY, NEXT_KEY, age=OLD)
    forged = narinfo(4).replace(b"k-1:", f"{KEY.name}:".encode())
    cache.storage.put(nar_key(4), b"nar", age=OLD)
    cache.storage.put(narinfo_key(4), forged, age=OLD)
    return cache


TRUSTING_NEXT = {"publicKeys": [NEXT_KEY.public_text]}


def test_what_a_leaked_key_signed_goes_unless_another_trusted_key_did_too(
    leaked: CollectedCache,
) -> None:
    done = removed(leaked, signed_by=KEY.public_text, changes=TRUSTING_NEXT)
    assert done.well
    assert leaked.paths == {3, 4, 5}
    assert "Kept: 1 path that the key signed" in done.said
    assert "still trust" not in done.said


def test_a_key_is_recognised_by_its_material_under_any_name(leaked: CollectedCache) -> None:
    other = f"other:{KEY.public_text.partition(':')[2]}"
    done = removed(leaked, signed_by=other, changes=TRUSTING_NEXT)
    assert leaked.paths == {3, 4, 5}
    assert done.well


def test_a_name_alone_is_not_verified(leaked: CollectedCache) -> None:
    done = removed(leaked, signed_by=KEY.name, changes=TRUSTING_NEXT)
    assert leaked.paths == {3, 5}
    assert "is not verified" in done.said


def test_only_what_was_written_since_a_time_goes(leaked: CollectedCache) -> None:
    since = (leaked.storage.clock() - timedelta(days=1)).isoformat()
    removed(leaked, signed_by=KEY.public_text, since=since, changes=TRUSTING_NEXT)
    assert leaked.paths == {1, 3, 4, 5}


def test_a_clock_that_is_wrong_stops_a_removal_by_time(leaked: CollectedCache) -> None:
    leaked.storage.skew = timedelta(hours=2)
    since = (leaked.storage.clock() - timedelta(days=1)).isoformat()
    with pytest.raises(ClientError, match="--since cannot be compared"):
        removed(leaked, signed_by=KEY.public_text, since=since)


def test_a_leaked_key_that_readers_trust_is_a_warning(leaked: CollectedCache) -> None:
    changes = {"publicKeys": [KEY.public_text, NEXT_KEY.public_text]}
    done = removed(leaked, signed_by=KEY.public_text, changes=changes)
    assert "readers still trust the key" in done.said
    assert leaked.paths == {3, 4, 5}


def test_a_key_that_signed_nothing_leaves_nothing_to_do(leaked: CollectedCache) -> None:
    done = removed(leaked, signed_by="stranger-1", changes=TRUSTING_NEXT)
    assert done.well
    assert done.result["narinfos"] == []
    assert not leaked.storage.deleted
    assert "No path of the cache has a signature of stranger-1." in done.said


@pytest.mark.parametrize(
    ("backend", "read_url", "named"),
    [
        ("aws", "https://cache.example.org", "aws cloudfront create-invalidation"),
        ("spaces", "https://cache.example.org", "doctl compute cdn flush"),
        ("minio", "https://cache.example.org", "a CDN or proxy"),
        ("minio", "https://s3.example.org/demo", None),
        ("minio", "https://demo.s3.example.org", None),
    ],
)
def test_what_stands_before_the_storage_is_named(
    backend: str, read_url: str, named: str | None
) -> None:
    done = removed(chain(), 4, changes={"backend": backend, "readUrl": read_url})
    if named is None:
        assert "CDN" not in done.said
    else:
        assert named in done.said


class _Sink(io.TextIOBase):
    """Counts what is printed, and holds nothing."""

    length = 0

    def write(self, text: str) -> int:
        self.length += len(text)
        return len(text)


def test_a_removed_path_takes_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """400,000 fit into 500 MB beside a cache of a million, as bench/collecting.py measures."""
    count = 5_000
    hashes = [f"{NIX32[number % 32]}{number:031}" for number in range(count)]
    contents = contents_of(hashes)
    listed = contents.narinfos.objects
    monkeypatch.setattr("sys.stdout", sink := _Sink())
    tracemalloc.start()
    try:
        plan = plan_removal(contents, hashes)
        paths = PackedPaths(listed)
        read = (Narinfo.parse(narinfo(1, base=f"{name}-path")) for name in hashes)
        assert sum(1 for _ in paths.held(read)) == count
        removal = Removal(plan, plan.names, Keys(), Belongings(), frozenset(), Versioning.NEVER, {})
        Journal(manifest()).note(removal.keys)
        removed = Removed(plan.narinfos.stored, plan.nars)
        console.document(report.document(removal, paths, removed, dry_run=False, is_refused=False))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sink.length > 150 * count
    assert peak / count < MOST_BYTES_PER_PATH, peak / count
