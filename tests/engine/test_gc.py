"""`nix-cache gc` on a real MinIO: what goes, when it goes, and what a push at the same time does.

Only a real server shows listings, deletions, versions and rights as gc meets them. What is kept is
shown on models in `tests/unit/cli/test_gc*.py`.
"""

import contextlib
import gzip
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
import zstandard
from botocore.exceptions import ClientError as S3ClientError

from nix_cache.cli.errors import ClientError, UsageError
from nix_cache.cli.gc import session
from nix_cache.cli.inventory import bucket as gc_bucket
from nix_cache.cli.inventory import deletions
from nix_cache.cli.inventory.ledger import LEDGER_KEY
from nix_cache.cli.machine import console
from nix_cache.cli.s3.answers import Deleted
from nix_cache.cli.s3.client import S3Client
from nix_cache.cli.stats import session as stats_session
from nix_cache.formats import root_record
from nix_cache.formats.collection_run import RUN_KEY
from tests.engine.patient import OWNER, Patient, StorePath
from tests.engine.ports import ReservedPort
from tests.engine.project import public_cache
from tests.engine.s3 import s3_client
from tests.waiting import wait_until
from tools.engine import Engine
from tools.server import LocalServer

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client as Boto3Client

OWN = {"nix-cache-info", "nix-cache.json", "index.html"}
SWEEPER = "sweeper"
"""A user by hand, with the rights to collect garbage."""


@dataclass(frozen=True)
class Done:
    """What came of a run: the result for programs, and what was said besides."""

    well: bool
    result: dict[str, Any]
    said: str

    def gone(self, kind: str) -> set[str]:
        """Return the keys that went, or would."""
        return set(self.result[kind])


@dataclass
class House:
    """A cache that is collected.

    Attributes:
        patient: the cache, and the ways to put things into it.
        folder: for files.
    """

    patient: Patient
    folder: Path

    def put(self, name: str, *needed: StorePath, listing: bool = False) -> StorePath:
        """Push a path, as Nix does: NAR, listing, narinfo."""
        path = self.patient.new_path(name, [one.info.base_name for one in needed])
        self.patient.put(path.info.url, path.nar)
        if listing:
            self.patient.put(f"{path.info.key[:32]}.ls", b"{}")
        self.patient.put(path.info.key, path.narinfo.encode())
        return path

    def written(self) -> dict[str, datetime]:
        """When each object was written, by the server's clock."""
        found = self.patient.root.list_objects_v2(Bucket=self.patient.bucket)
        return {one["Key"]: one["LastModified"] for one in found.get("Contents", [])}

    def written_again(self, path: StorePath) -> datetime:
        """Push a path again; returns when the older of its two objects was written."""
        self.patient.put(path.info.url, path.nar)
        self.patient.put(path.info.key, path.narinfo.encode())
        written = self.written()
        return min(written[path.info.url], written[path.info.key])

    def objects(self) -> set[str]:
        """Return what is in the bucket, except the cache's metadata and the run object."""
        return self.written().keys() - OWN - {RUN_KEY}

    def collect(self, now: datetime, **wishes: Any) -> Done:
        """Run the command at some time."""
        request = session.CollectionRequest(
            cache=str(self.patient.source()),
            project=None,
            owner=OWNER,
            older_than_days=90,
            grace_days=30,
            roots_from=None,
            dry_run=False,
            agreed=True,
            jobs=4,
        )
        out, err = io.StringIO(), io.StringIO()
        with (
            mock.patch.dict(os.environ, self.patient.environment(), clear=True),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            well = session.run(replace(request, **wishes), as_json=True, clock=lambda: now)
        return Done(well, json.loads(out.getvalue()), err.getvalue())

    def foreseen(self, now: datetime) -> dict[str, Any]:
        """Return what the janitor's `stats --older-than 90` prints of a collection at some time."""
        request = stats_session.StatsRequest(
            cache=str(self.patient.source()),
            project=None,
            owner=None,
            prices=None,
            prometheus=None,
            jobs=4,
            older_than_days=90,
        )
        out = io.StringIO()
        with (
            mock.patch.dict(os.environ, self.patient.environment(), clear=True),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            stats_session.run(request, as_json=True, clock=lambda: now)
        found: dict[str, Any] = json.loads(out.getvalue())["collection"]
        return found

    def empty(self) -> None:
        """Remove everything but the cache's metadata."""
        for key in self.objects():
            self.patient.root.delete_object(Bucket=self.patient.bucket, Key=key)


@pytest.fixture(scope="module")
def patient(module_folder: Path, engine: Engine, module_server: LocalServer) -> Patient:
    """Provide a public cache."""
    project = public_cache(module_folder / "cache", engine, module_folder / "minio", janitor=True)
    project.up()
    return Patient(module_server, project.outputs(secrets=True), module_folder / "home")


@pytest.fixture
def house(patient: Patient, tmp_path: Path) -> Iterator[House]:
    """Provide the cache, with nothing in it."""
    house = House(patient, tmp_path)
    house.empty()
    yield house
    assert house.objects() | OWN >= OWN
    house.empty()


def later(days: float) -> datetime:
    """So many days from now."""
    return datetime.now(UTC) + timedelta(days=days)


def keys(*paths: StorePath) -> set[str]:
    """Return the narinfos of some paths."""
    return {path.info.key for path in paths}


def nars(*paths: StorePath) -> set[str]:
    """Return the NARs of some paths."""
    return {path.info.url for path in paths}


def everything(*paths: StorePath) -> set[str]:
    """Both."""
    return keys(*paths) | nars(*paths)


def test_what_is_old_and_not_needed_goes_narinfos_first_and_nars_later(house: House) -> None:
    """What a recent path needs stays however old it is; everything else of Nix's is left alone."""
    library = house.put("library")
    tool = house.put("tool", library, listing=True)
    others = {"log/x.drv", "realisations/sha256:0!out.doi", "debuginfo/0a.debug"}
    for key in others:
        house.patient.put(key, b"{}")
    # The command goes by the earlier clock, and the storage states its own in whole seconds.
    between = max(house.written().values()) + timedelta(seconds=3)
    program = house.put("program", library)
    wait_until(lambda: house.written_again(program) > between, "a program that is younger")

    first = house.collect(between + timedelta(days=90))

    assert first.gone("narinfos") == keys(tool)
    assert first.gone("listings") == {f"{tool.info.key[:32]}.ls"}
    assert first.gone("nars") == set()
    kept = everything(library, program) | others | {LEDGER_KEY}
    assert house.objects() == kept | nars(tool)

    roots = house.folder / "roots"
    roots.write_text(f"{program.info.store_path}\n")
    early = house.collect(between + timedelta(days=119), roots_from=roots)
    assert house.objects() == kept | nars(tool)
    assert early.result["waiting"].keys() == nars(tool)

    last = house.collect(between + timedelta(days=121), roots_from=roots)
    assert last.gone("nars") == nars(tool)
    assert last.result["bytes"] == len(tool.nar)
    assert house.objects() == kept

    again = house.collect(between + timedelta(days=121), roots_from=roots)
    assert again.result["bytes"] == 0
    assert house.objects() == kept


def test_a_shared_nar_stays_as_long_as_one_narinfo_names_it(house: House) -> None:
    """Paths of the same content have one NAR."""
    content = b"the same"
    one = house.patient.new_path("one", content=content)
    two = house.patient.new_path("two", content=content)
    house.patient.put(one.info.url, one.nar)
    for path in (one, two):
        house.patient.put(path.info.key, path.narinfo.encode())
    assert one.info.url == two.info.url
    roots = house.folder / "roots"
    roots.write_text(f"{two.info.store_path}\n")

    house.collect(later(100), roots_from=roots, grace_days=0)

    assert house.objects() == everything(two) | {LEDGER_KEY}


def test_a_dry_run_reports_the_same_and_changes_nothing(house: House) -> None:
    """Not even the note of what waits."""
    old = house.put("old")
    before = house.patient.everything()

    reported = house.collect(later(100), dry_run=True)

    assert house.patient.everything() == before
    assert reported.gone("narinfos") == keys(old)
    assert reported.result["dryRun"] is True
    assert house.collect(later(100)).gone("narinfos") == keys(old)


def test_a_nar_of_a_push_under_way_stays(house: House) -> None:
    """It has no narinfo yet, and none is waited for by any grace."""
    path = house.patient.new_path("new")
    house.patient.put(path.info.url, path.nar)

    house.collect(later(0.9), grace_days=0)
    assert path.info.url in house.objects()

    house.collect(later(1.1), grace_days=0)
    assert path.info.url not in house.objects()


def test_nothing_goes_while_a_narinfo_cannot_be_read(house: House) -> None:
    """It may need anything. Set aside by name it stays, and the rest goes as always."""
    old = house.put("old")
    torn = f"{'0' * 32}.narinfo"
    house.patient.put(torn, f"References: {old.info.base_name}\n".encode())
    before = house.objects()

    done = house.collect(later(100), grace_days=0)

    assert not done.well
    assert house.objects() == before
    assert done.result["unreadable"].keys() == {torn}
    assert f"{torn}: is malformed" in done.said
    assert f"--set-aside {'0' * 32}" in done.said

    aside = house.collect(later(100), grace_days=0, set_aside=(torn,))
    assert aside.well
    assert aside.result["setAside"] == [torn]
    assert house.objects() == {torn, LEDGER_KEY}


@pytest.mark.parametrize(
    ("encoding", "encoded"), [("gzip", gzip.compress), ("zstd", zstandard.compress)]
)
def test_an_encoded_narinfo_is_read(
    house: House, encoding: str, encoded: Callable[[bytes], bytes]
) -> None:
    """As Nix stores it with `narinfo-compression`: the real server gives it back as it is."""
    library = house.put("library")
    program = house.put("program", library)
    house.patient.root.put_object(
        Bucket=house.patient.bucket,
        Key=program.info.key,
        Body=encoded(program.narinfo.encode()),
        ContentEncoding=encoding,
    )
    roots = house.folder / "roots"
    roots.write_text(f"{program.info.store_path}\0")
    other = house.put("other")

    done = house.collect(later(100), grace_days=0, roots_from=roots)

    assert done.well
    assert done.gone("narinfos") == keys(other)
    assert house.objects() == everything(library, program) | {LEDGER_KEY}


def test_a_note_that_cannot_be_read_begins_again(house: House) -> None:
    """Nothing goes too early."""
    old = house.put("old")
    house.collect(later(100))
    house.patient.put(LEDGER_KEY, b"torn")

    done = house.collect(later(150))

    assert house.objects() == nars(old) | {LEDGER_KEY}
    assert "all grace periods begin again" in done.said
    house.collect(later(181))
    assert house.objects() == {LEDGER_KEY}


def during(monkeypatch: pytest.MonkeyPatch, *happenings: Callable[[Sequence[str]], None]) -> None:
    """Let something happen before each removal in turn; it is reported what is about to go."""
    original, waiting = gc_bucket.Bucket.remove, iter(happenings)

    def remove(self: gc_bucket.Bucket, keys: Iterable[str], count: int | None = None) -> int:
        doomed = list(keys)
        if happening := next(waiting, None):
            happening(doomed)
        return original(self, doomed, count)

    monkeypatch.setattr(gc_bucket.Bucket, "remove", remove)


def test_what_is_pushed_while_the_user_thinks_keeps_what_it_needs(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bucket is looked at again after the question."""
    library, tool = house.put("library"), house.put("tool")
    pushed = []

    def answer(question: str) -> bool:
        pushed.append(house.put("program", library))
        return True

    monkeypatch.setattr("sys.stdin", io.StringIO())
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr(console, "confirmed", answer)
    monkeypatch.setattr(session, "LARGEST_SHARE", 1)
    house.collect(later(100), agreed=False)

    assert house.objects() == everything(library, *pushed) | nars(tool) | {LEDGER_KEY}


def test_a_push_whose_foundation_goes_meanwhile_is_reported(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No user can lock a bucket; but what came too late is found."""
    library = house.put("library")
    pushed = []
    during(monkeypatch, lambda _: pushed.append(house.put("program", library)))

    done = house.collect(later(100))

    assert set(done.result["incomplete"]) == keys(*pushed)
    assert not done.well
    assert "push their paths again" in done.said


def test_a_narinfo_whose_nar_goes_meanwhile_goes_too(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else no user could ever push the path again: Nix would take it as there."""
    old = house.put("old")
    house.collect(later(100))
    assert house.objects() == nars(old) | {LEDGER_KEY}
    during(
        monkeypatch,
        lambda _: None,
        lambda _: house.patient.put(old.info.key, old.narinfo.encode()),
    )

    done = house.collect(later(131))

    assert set(done.result["withdrawn"]) == keys(old)
    assert not done.well
    assert house.objects() == {LEDGER_KEY}


def test_a_nar_that_is_named_again_before_it_goes_stays(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A push does not upload a NAR that is there."""
    old, other = house.put("old"), house.put("other")
    house.collect(later(100))
    during(monkeypatch, lambda _: house.patient.put(old.info.key, old.narinfo.encode()))

    done = house.collect(later(131))

    assert done.gone("nars") == nars(other)
    assert house.objects() == everything(old) | {LEDGER_KEY}


def test_an_interrupted_run_leaves_whole_closures_and_another_goes_on(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What needs a path goes before it, and no NAR before the note."""
    library = house.put("library")
    tool = house.put("tool", library)
    program = house.put("program", tool)
    monkeypatch.setattr(deletions, "_BATCH", 1)
    asked: list[Sequence[str]] = []
    delete = S3Client.delete

    def failing(client: S3Client, keys: Sequence[str]) -> Deleted:
        asked.append(keys)
        if len(asked) > 2:
            raise KeyboardInterrupt
        return delete(client, keys)

    with monkeypatch.context() as patched:
        patched.setattr(S3Client, "delete", failing)
        with pytest.raises(KeyboardInterrupt):
            house.collect(later(100), grace_days=0)

    assert house.objects() == keys(library) | nars(library, tool, program) | {LEDGER_KEY}

    done = house.collect(later(100), grace_days=0)
    assert done.gone("narinfos") == keys(library)
    assert house.objects() == {LEDGER_KEY}


def test_a_bucket_that_keeps_versions_only_hides(house: House) -> None:
    """And that is reported, as no space is freed yet."""
    root, name = house.patient.root, house.patient.bucket
    house.put("old")
    root.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    try:
        done = house.collect(later(100), grace_days=0)
    finally:
        root.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Suspended"})

    assert done.result["hidden"] == 2
    assert house.objects() == {LEDGER_KEY}


@pytest.mark.parametrize("pattern", ["nix-cache-gc*.json", LEDGER_KEY])
def test_a_user_made_by_hand_needs_four_rights(house: House, pattern: str) -> None:
    """No administrator's credential has to lie about. One of before 0.2 lacks a part of one."""
    name = house.patient.bucket
    statements = [
        (["s3:ListBucket"], f"arn:aws:s3:::{name}"),
        (["s3:GetObject", "s3:DeleteObject"], f"arn:aws:s3:::{name}/*"),
        (["s3:PutObject"], f"arn:aws:s3:::{name}/{pattern}"),
    ]
    policy = house.folder / "policy.json"
    policy.write_text(
        json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {"Effect": "Allow", "Action": actions, "Resource": [resource]}
                    for actions, resource in statements
                ],
            }
        )
    )
    admin = house.patient.admin
    admin.user_add(SWEEPER, "sweepers-password")
    admin.policy_add(SWEEPER, str(policy))
    admin.attach_policy([SWEEPER], user=SWEEPER)
    profiles = house.patient.home / ".aws" / "credentials"
    before = profiles.read_text()
    profiles.write_text(
        f"{before}[{SWEEPER}]\naws_access_key_id = {SWEEPER}\n"
        "aws_secret_access_key = sweepers-password\n"
    )
    house.put("old")
    try:
        if pattern == LEDGER_KEY:
            with pytest.raises(ClientError, match=r"may not write .*run\.json .*gc\*\.json"):
                house.collect(later(100), grace_days=0, owner=SWEEPER)
            return
        house.collect(later(100), grace_days=0, owner=SWEEPER)
    finally:
        profiles.write_text(before)
        admin.user_remove(SWEEPER)
        admin.policy_remove(SWEEPER)

    assert house.objects() == {LEDGER_KEY}


def as_janitor(house: House) -> "Boto3Client":
    """Return a client with the janitor's credential."""
    pair = house.patient.outputs["credentials"]["janitor"]
    return s3_client(house.patient.server.url, pair["accessKeyId"], pair["secretAccessKey"])


def test_the_janitor_collects_everything_with_its_own_credential(house: House) -> None:
    """By default, and without a profile: the stack's outputs have its credential."""
    old = house.put("old", listing=True)
    record = root_record.RootRecord(started=later(0), paths=(old.info.key[:32],))
    house.patient.put(root_record.new_key(), record.content)

    foreseen = house.foreseen(later(100))
    first = house.collect(later(100), owner=None)
    last = house.collect(later(140), owner=None)

    assert first.well
    assert first.gone("narinfos") == keys(old)
    assert last.gone("nars") == nars(old)
    assert house.objects() == {LEDGER_KEY}
    assert foreseen["now"] == {
        "narinfos": 1,
        "nars": 0,
        "others": 2,  # the list of files and the root record
        "bytes": first.result["bytes"],
    }
    assert foreseen["later"] == {"narinfos": 0, "nars": 1, "others": 0, "bytes": len(old.nar)}


@pytest.mark.parametrize("key", sorted(OWN))
def test_the_janitor_cannot_change_or_delete_the_metadata(house: House, key: str) -> None:
    """Neither one object nor several at once."""
    janitor, bucket = as_janitor(house), house.patient.bucket
    before = house.patient.root.get_object(Bucket=bucket, Key=key)["Body"].read()

    with pytest.raises(S3ClientError, match="AccessDenied"):
        janitor.put_object(Bucket=bucket, Key=key, Body=b"other")
    with pytest.raises(S3ClientError, match="AccessDenied"):
        janitor.delete_object(Bucket=bucket, Key=key)
    answer = janitor.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key}]})

    assert [error["Code"] for error in answer["Errors"]] == ["AccessDenied"]
    assert house.patient.root.get_object(Bucket=bucket, Key=key)["Body"].read() == before


@pytest.mark.parametrize("key", ["nar/new.nar.zst", f"{'0' * 32}.narinfo", "log/x", "other"])
def test_the_janitor_cannot_put_what_a_cache_holds(house: House, key: str) -> None:
    """Nor begin an upload in parts, copy, or delete what is not a cache's."""
    janitor, bucket = as_janitor(house), house.patient.bucket
    source = f"{bucket}/nix-cache-info"
    attempts: tuple[Callable[[], object], ...] = (
        lambda: janitor.put_object(Bucket=bucket, Key=key, Body=b"any"),
        lambda: janitor.create_multipart_upload(Bucket=bucket, Key=key),
        lambda: janitor.copy_object(Bucket=bucket, Key=key, CopySource=source),
        lambda: janitor.put_bucket_policy(Bucket=bucket, Policy="{}"),
        lambda: janitor.get_bucket_policy(Bucket=bucket),
        lambda: janitor.delete_bucket(Bucket=bucket),
        lambda: janitor.delete_object(Bucket=bucket, Key="other"),
    )
    for attempt in attempts:
        with pytest.raises(S3ClientError, match="AccessDenied"):
            attempt()
    assert house.objects() == set()


def test_doctor_knows_the_janitor(house: House) -> None:
    """What it can do, and what it cannot."""
    found = house.patient.examined("--as", "janitor")

    assert found.errors == []
    assert {
        "the janitor can read nix-cache-info",
        "the janitor can list objects and delete the cache's contents",
        "the janitor cannot upload store paths or the cache's metadata",
        "the janitor cannot delete what Nix does not write",
    } <= set(found.of("ok"))


class TestRefusals:
    """Each is one line with the fix, and nothing is removed."""

    def test_no_confirmation_is_asked_without_a_terminal(self, house: House) -> None:
        """A script has to agree beforehand."""
        house.put("old")
        house.put("new")
        before = house.objects()
        roots = house.folder / "roots"
        roots.write_text(f"/nix/store/{sorted(before)[0][:32]}-x\n")
        with (
            mock.patch.object(session, "LARGEST_SHARE", 1),
            mock.patch("sys.stdin", io.StringIO()),
            pytest.raises(UsageError, match=r"no terminal to ask at; nothing .* --yes"),
        ):
            house.collect(later(100), agreed=False)
        assert house.objects() == before

    def test_nearly_everything_goes_only_by_yes(self, house: House) -> None:
        """Days that were mistyped."""
        house.put("old")
        with pytest.raises(UsageError, match=r"1 of 1 narinfos would go, more than 90%; nothing"):
            house.collect(later(100), agreed=False)
        assert len(house.objects()) == 2

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("", "names no store path"),
            (f"/nix/store/{'0' * 32}-elsewhere\n", "the cache has none of the paths to keep"),
        ],
    )
    def test_roots_that_keep_nothing_are_a_mistake(
        self, house: House, content: str, message: str
    ) -> None:
        """As of a command that failed before the pipe."""
        house.put("old")
        roots = house.folder / "roots"
        roots.write_text(content)
        with pytest.raises(UsageError, match=message):
            house.collect(later(100), roots_from=roots)
        assert len(house.objects()) == 2

    def test_a_list_without_nix_cache_info_is_not_believed(self, house: House) -> None:
        """It is that of something else, or not whole."""
        house.put("old")
        with (
            house.patient.changed_object("nix-cache-info", None),
            pytest.raises(ClientError, match=r"has no nix-cache-info: .*; nothing was removed"),
        ):
            house.collect(later(100))
        assert len(house.objects()) == 2

    def test_the_command_names_what_is_wrong(self, house: House) -> None:
        """As the user sees it."""
        house.put("old")
        source = str(house.patient.source())
        profiles = house.patient.home / ".aws" / "credentials"
        pair = house.patient.outputs["credentials"]["nixbuilder"]
        before = profiles.read_text()
        profiles.write_text(
            f"{before}[writer]\naws_access_key_id = {pair['accessKeyId']}\n"
            f"aws_secret_access_key = {pair['secretAccessKey']}\n"
            "[stranger]\naws_access_key_id = stranger\naws_secret_access_key = password\n"
        )
        closed = ReservedPort()
        away = str(house.patient.seen_at(f"http://{closed.netloc}"))
        try:
            for profile, where, code, message in (
                ("absent", source, 2, "there is no profile absent with a credential"),
                ("writer", source, 1, "the profile writer may not list in the bucket nix-cache (A"),
                ("stranger", source, 1, "does not know the key of the profile stranger; name a"),
                (OWNER, away, 1, "does not answer: Connection refused; start the server, or"),
            ):
                done = house.patient.command("gc", where, "--owner", profile, "--older-than", "9")
                assert done.returncode == code, done.stderr
                assert message in done.stderr
                lines = done.stderr.strip().splitlines()
                assert [line for line in lines if not line.startswith("waiting for ")] == lines[-1:]
        finally:
            profiles.write_text(before)
            closed.release()
        done = house.patient.command("gc", source, "--owner", OWNER, "--older-than", "9")
        assert (done.returncode, done.stderr) == (0, "")
        assert "Nothing to delete." in done.stdout
