"""`nix-cache pin` and `unpin`: what a writer puts, in which order, and beside collections."""

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from botocore.credentials import Credentials

from nix_cache.cli.caches.record import Record
from nix_cache.cli.errors import ClientError, UsageError
from nix_cache.cli.inventory import bucket as inventory
from nix_cache.cli.pin import listing
from nix_cache.cli.s3.credentials import Identity
from nix_cache.cli.upload import collections, pinning
from nix_cache.cli.upload.pinning import KeepRules, Pinning, PinRequest, require_pin_name
from nix_cache.cli.upload.report import Result
from nix_cache.cli.upload.writer import Writer
from nix_cache.formats.collection_run import RUN_KEY, CollectionRun
from nix_cache.formats.own_objects import PINS_PREFIX, ROOTS_PREFIX
from nix_cache.formats.pin import PinKey, PinRevision, latest_key
from nix_cache.formats.root_record import RootRecord
from tests.unit.cli.client_caches import KEY, WRITER, manifest, outputs
from tests.unit.cli.collected_cache import (
    OLD,
    CollectedCache,
    base_name,
    collected_cache,
    store_hash,
)
from tests.unit.cli.s3_double import Answer, DoubleTransport, S3Double

APP, LIBRARY, OTHER = 0, 1, 2
LATEST = latest_key("app")
NO_RULES = KeepRules()


def path(number: int) -> str:
    """Return a store path."""
    return f"/nix/store/{base_name(number)}"


class Recorder(DoubleTransport):
    """Records writes, and what their headers are."""

    def __init__(self, storage: S3Double) -> None:
        super().__init__(storage)
        self.puts: list[tuple[str, dict[str, str]]] = []

    def exchange(self, method: str, url: str, headers: Any, *rest: Any) -> Any:
        """Pass a request on."""
        if method == "PUT":
            self.puts.append((url.partition("/demo/")[2], dict(headers)))
        return super().exchange(method, url, headers, *rest)


class Pinner:
    """A writer who pins in a cache."""

    def __init__(self, cache: CollectedCache) -> None:
        self.cache = cache
        self.storage = cache.storage
        self.transport = Recorder(cache.storage)
        self.writer = Writer(WRITER, Record(name="demo", manifest=manifest(), writer=WRITER), KEY)

    def pin(self, number: int, name: str = "app", rules: KeepRules = NO_RULES) -> None:
        """Pin a path."""
        self._pinning().pin(name, path(number), rules)

    def unpin(self, name: str = "app") -> None:
        """End a pin."""
        self._pinning().unpin(name)

    @property
    def revisions(self) -> list[PinRevision]:
        """The revisions that are there, the earliest first."""
        keys = sorted(key for key in self.storage.objects if key.startswith(PINS_PREFIX))
        found = [key for key in keys if (one := PinKey.parse(key)) and one.is_revision]
        return [PinRevision.parse(self.storage.objects[key].content) for key in found]

    def begin_collection(self) -> CollectionRun:
        """Let a collection go on."""
        run = CollectionRun.new()
        self.storage.put(RUN_KEY, run.content)
        return run

    def _pinning(self) -> Pinning:
        return Pinning(self.writer, lambda _: None)


@pytest.fixture
def pinner() -> Iterator[Pinner]:
    """Provide a cache with three old paths, and a writer."""
    cache = collected_cache()
    cache.push(LIBRARY, age=OLD)
    cache.push(APP, [LIBRARY], age=OLD)
    cache.push(OTHER, age=OLD)
    pinner = Pinner(cache)
    identity = Identity("the test", Credentials("writer", "secret"))
    with (
        mock.patch.object(pinning, "identify", return_value=identity),
        mock.patch.object(pinning, "Transport", return_value=pinner.transport),
    ):
        yield pinner


def test_a_pin_is_a_root_record_a_revision_and_the_latest_path_in_this_order(
    pinner: Pinner,
) -> None:
    """The root record keeps the path until the revision does."""
    pinner.pin(APP, rules=KeepRules(3, 9))

    root, revision, latest = (key for key, _ in pinner.transport.puts)
    record = RootRecord.parse(pinner.storage.objects[root].content)
    assert root.startswith(ROOTS_PREFIX)
    assert record.paths == (store_hash(APP),)
    assert record.roots == (base_name(APP),)
    assert PinKey.parse(revision) == PinKey("app", is_revision=True)
    (written,) = pinner.revisions
    assert (written.path, written.writer) == (path(APP), WRITER)
    assert (written.keep_revisions, written.keep_days) == (3, 9)
    assert latest == LATEST
    assert pinner.storage.objects[LATEST].content == f"{path(APP)}\n".encode()


def test_the_latest_path_is_text_that_a_cdn_keeps_for_a_minute_only(pinner: Pinner) -> None:
    """Else it would be the earlier path for a day."""
    pinner.pin(APP)

    _, headers = pinner.transport.puts[-1]
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    assert headers["Cache-Control"] == "max-age=60"


def test_a_path_that_the_cache_lacks_is_not_pinned(pinner: Pinner) -> None:
    """The pin stays what it was."""
    pinner.pin(APP)

    with pytest.raises(ClientError, match=f"{base_name(9)} is not in the cache demo") as refused:
        pinner.pin(9)

    assert f"nix-cache push {path(9)}" in refused.value.fix
    assert [one.path for one in pinner.revisions] == [path(APP)]
    assert pinner.storage.objects[LATEST].content == f"{path(APP)}\n".encode()


def test_unpinning_ends_the_pin(pinner: Pinner) -> None:
    """The latest path is empty then, also if it is done twice."""
    pinner.pin(APP)
    pinner.unpin()
    pinner.unpin()

    assert [one.path for one in pinner.revisions] == [path(APP), None, None]
    assert pinner.storage.objects[LATEST].content == b""
    pinner.cache.collect()
    assert pinner.cache.paths == {APP, LIBRARY}  # by the root record of today


def test_a_pin_that_does_not_exist_cannot_be_ended(pinner: Pinner) -> None:
    """It would be a mistake in the name."""
    with pytest.raises(UsageError, match="the cache demo has no pin app"):
        pinner.unpin()
    assert pinner.transport.puts == []


def test_a_pin_of_a_killed_command_can_be_ended_as_the_error_says(pinner: Pinner) -> None:
    """It has a revision, and no latest path."""
    pinner.pin(APP)
    del pinner.storage.objects[LATEST]

    with pytest.raises(UsageError) as refused:
        pinner.unpin()
    assert "pin it again, then unpin it" in refused.value.fix
    pinner.pin(APP)
    pinner.unpin()
    assert [one.path for one in pinner.revisions] == [path(APP), path(APP), None]


def test_two_writers_who_pin_one_name_leave_two_revisions(pinner: Pinner) -> None:
    """A collection keeps both for a day. The latest path is that of the last writer."""
    other = Pinner(pinner.cache)
    happened: list[int] = []

    def pin_meanwhile(_request: int) -> None:
        if not happened and len(pinner.revisions) == 1:
            happened.append(1)
            other.pin(OTHER)

    pinner.storage.before = pin_meanwhile
    pinner.pin(APP)

    assert {one.path for one in pinner.revisions} == {path(APP), path(OTHER)}
    assert pinner.storage.objects[LATEST].content == f"{path(APP)}\n".encode()
    pinner.storage.before = lambda _: None
    for key in [key for key in pinner.storage.objects if key.startswith(ROOTS_PREFIX)]:
        del pinner.storage.objects[key]
    assert pinner.cache.collect().well
    assert pinner.cache.paths == {APP, LIBRARY, OTHER}


@pytest.mark.parametrize(
    ("prefix", "right"), [(ROOTS_PREFIX, "write root records"), (PINS_PREFIX, "pin store paths")]
)
def test_a_writer_of_an_earlier_stack_learns_how_to_get_the_right(
    pinner: Pinner, prefix: str, right: str
) -> None:
    """Where one of the two rights lacks."""
    original = pinner.storage.answer

    def answer(method: str, key: str, *rest: Any) -> Answer:
        if method == "PUT" and key.startswith(prefix):
            body = b"<Error><Code>AccessDenied</Code></Error>"
            return Answer(403, {"Content-Type": "application/xml"}, body)
        return original(method, key, *rest)

    with (
        mock.patch.object(pinner.storage, "answer", answer),
        pytest.raises(ClientError, match=f"may not {right} in the bucket demo") as refused,
    ):
        pinner.pin(APP)
    assert "pulumi up" in refused.value.fix
    assert pinner.revisions == []


def when_waiting(action: Callable[[], None]) -> contextlib.AbstractContextManager[Any]:
    """Do something when a writer waits for the end of a collection."""
    original = collections.when_ended

    def waiting(look: Any, progress: Any) -> Any:
        return original(look, progress, sleep=lambda _: action())

    return mock.patch.object(collections, "when_ended", waiting)


def test_a_pin_waits_for_the_end_of_a_collection_before_it_asks_for_the_path(
    pinner: Pinner,
) -> None:
    """The collection may have read root records before that of the pin."""
    run = pinner.begin_collection()

    def end() -> None:
        del pinner.storage.objects[f"{store_hash(APP)}.narinfo"]
        pinner.storage.put(RUN_KEY, run.ended.content)

    with when_waiting(end), pytest.raises(ClientError, match="is not in the cache"):
        pinner.pin(APP)
    assert pinner.revisions == []


def test_the_latest_path_is_put_again_if_a_collection_deleted_it(pinner: Pinner) -> None:
    """The collection saw no revision."""
    happened: list[CollectionRun] = []

    def collect(_request: int) -> None:
        if LATEST in pinner.storage.objects and not happened:
            happened.append(pinner.begin_collection())

    def end() -> None:
        del pinner.storage.objects[LATEST]
        pinner.storage.put(RUN_KEY, happened[0].ended.content)

    pinner.storage.before = collect
    with when_waiting(end):
        pinner.pin(APP)

    assert pinner.storage.objects[LATEST].content == f"{path(APP)}\n".encode()


@pytest.mark.parametrize("name", ["", "a/b", "../x", "-x", "a" * 101])
def test_a_name_that_cannot_be_one_is_refused(name: str) -> None:
    """With the rule."""
    with pytest.raises(UsageError, match="is not the name of a pin") as refused:
        require_pin_name(name, "NAME")
    assert "1 to 100 letters" in refused.value.fix


class TestOptionsOfPush:
    """`--pin`, `--keep-revisions` and `--keep-days`."""

    def test_rules_without_a_pin_are_a_mistake(self) -> None:
        """They would have no effect."""
        with pytest.raises(UsageError, match="none is named"):
            PinRequest.of(None, KeepRules(days=3))
        assert PinRequest.of(None, KeepRules()) is None

    def test_a_name_is_checked_before_anything_is_pushed(self) -> None:
        """The option is named."""
        with pytest.raises(UsageError, match="--pin 'a/b' is not the name of a pin"):
            PinRequest.of("a/b", KeepRules())

    def test_exactly_one_path_is_pinned(self, tmp_path: Path) -> None:
        """Two names of one path are one path."""
        (tmp_path / "result").symlink_to(path(APP))
        request = PinRequest("app", KeepRules())
        link = str(tmp_path / "result")

        assert request.path_among([path(APP), link], "/nix/store") == path(APP)
        for given, count in ([], 0), ([path(APP), path(OTHER)], 2):
            with pytest.raises(UsageError, match=f"one store path, and {count} are given"):
                request.path_among(given, "/nix/store")

    def test_a_pushed_path_is_pinned_without_a_further_root_record(self, pinner: Pinner) -> None:
        """The push wrote one."""
        done = PinRequest("app", KeepRules(2)).fulfil(pinner.writer, path(APP), result())

        assert done.pin == "app"
        assert [one.path for one in pinner.revisions] == [path(APP)]
        assert not [key for key in pinner.storage.objects if key.startswith(ROOTS_PREFIX)]

    def test_a_path_that_was_left_to_an_upstream_cache_cannot_be_pinned(
        self, pinner: Pinner
    ) -> None:
        """The cache does not have it."""
        with pytest.raises(ClientError, match="so the pin app was not changed") as refused:
            PinRequest("app", KeepRules()).fulfil(pinner.writer, path(9), result())
        assert "--all" in refused.value.fix


def result() -> Result:
    """Return what came of a push."""
    return Result("demo", KEY.name, [], 0, [], 0.0)


def test_pins_lists_what_is_pinned_and_what_was_unpinned(pinner: Pinner) -> None:
    """A table, and the same for programs."""
    pinner.pin(APP, "app")
    pinner.pin(OTHER, "app", KeepRules(2))
    pinner.pin(LIBRARY, "gone")
    pinner.unpin("gone")
    with mock.patch.object(inventory, "Transport", return_value=pinner.transport):
        reader = inventory.Bucket(manifest(), None, "owner", 1)  # type: ignore[arg-type]
        found = list(reader.records.pins(pinner.storage.clock()))

    header, app, gone = listing.rows(found)
    assert header == ("NAME", "CHANGED", "WRITER", "REVISIONS", "PATH")
    assert app[0::2] == ("app", WRITER, path(OTHER))
    assert app[3] == "2"
    assert gone[0::2] == ("gone", WRITER, "unpinned")
    one, other = map(listing.document, found)
    assert (one["isPinned"], one["path"], one["keepRevisions"]) == (True, path(OTHER), 2)
    assert [each["path"] for each in one["revisions"]] == [path(OTHER), path(APP)]
    assert (other["isPinned"], other["path"], other["revisions"]) == (False, None, [])


def test_the_janitor_lists_pins_by_default(
    pinner: Pinner, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As it reads for `gc` and `stats`. A cache without a janitor needs `--owner`."""
    pinner.pin(APP, "app")
    described = outputs(profiles={WRITER: WRITER, "janitor": "demo-janitor"})
    described["credentials"]["janitor"] = {"accessKeyId": "j", "secretAccessKey": "secret-of-j"}
    source = tmp_path / "outputs.json"
    source.write_text(json.dumps(described))
    with mock.patch.object(inventory, "Transport", return_value=pinner.transport):
        listing.run(str(source), None, None, as_json=True)

    (pin,) = json.loads(capsys.readouterr().out)["pins"]
    assert (pin["name"], pin["path"]) == ("app", path(APP))
    source.write_text(json.dumps(outputs()))
    with pytest.raises(UsageError, match="has no janitor"):
        listing.run(str(source), None, None, as_json=True)


def test_a_cache_whose_paths_expire_is_warned_about() -> None:
    """The pin does not help against that."""
    assert "expire every path 90 days" in str(pinning.expiry_warning(manifest(expireAfterDays=90)))
    assert pinning.expiry_warning(manifest()) is None
