"""Pins on a real MinIO: a writer's credential pins and unpins, the owner lists and collects.

Only a real server shows rights, and what anonymous requests read. What is kept is shown on models
in `tests/unit/cli/test_gc_pins.py`.
"""

import contextlib
import io
import json
import os
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from botocore.exceptions import ClientError as S3Error

from nix_cache.cli import app
from nix_cache.cli.caches.record import Record, save
from nix_cache.cli.gc import session as gc_session
from nix_cache.cli.machine.places import user_place
from nix_cache.formats import signing
from nix_cache.formats.manifest import Manifest
from nix_cache.formats.own_objects import PINS_PREFIX
from nix_cache.formats.pin import latest_key
from nix_cache.iam import access
from tests.engine.patient import OWNER, Patient, StorePath
from tests.engine.project import public_cache
from tests.engine.s3 import s3_client
from tests.fakes.plain_store import PlainStore, Pusher
from tools.engine import Engine
from tools.server import LocalServer

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

WRITER = "nixbuilder"
NAME = "demo"


@dataclass
class House:
    """A cache with a writer and its owner on this machine.

    Attributes:
        patient: the cache.
        store: the local store.
        pusher: lets the client see that store.
    """

    patient: Patient
    store: PlainStore
    pusher: Pusher

    @property
    def writer(self) -> "S3Client":
        """An S3 client with the writer's credential."""
        pair = self.patient.outputs["credentials"][WRITER]
        return s3_client(self.patient.server.url, pair["accessKeyId"], pair["secretAccessKey"])

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Run a command; returns its exit code and what it printed."""
        out, err = io.StringIO(), io.StringIO()
        with (
            mock.patch.dict(os.environ, self.patient.environment(), clear=True),
            self.pusher.store_of([one for one in self.store.infos if one.path in arguments]),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            code = app.run([*arguments])
        return code, out.getvalue(), err.getvalue()

    def done(self, *arguments: str) -> str:
        """Run a command that ends well; returns what it printed."""
        code, out, err = self.run(*arguments)
        assert code == 0, err
        return out

    def pins(self) -> dict[str, Any]:
        """Return what `nix-cache pins` lists, by name."""
        listed = json.loads(self.done("pins", NAME, "--owner", OWNER, "--json"))
        return {pin["name"]: pin for pin in listed["pins"]}

    def put(self, name: str, *needed: StorePath) -> StorePath:
        """Push a path, as plain Nix does."""
        path = self.patient.new_path(name, [one.info.base_name for one in needed])
        self.patient.put(path.info.url, path.nar)
        self.patient.put(path.info.key, path.narinfo.encode())
        return path

    def collect(self, days: float) -> dict[str, Any]:
        """Run `nix-cache gc` at a later time; returns its result."""
        request = gc_session.CollectionRequest(
            cache=NAME,
            project=None,
            owner=OWNER,
            older_than_days=90,
            grace_days=0,
            roots_from=None,
            dry_run=False,
            agreed=True,
            jobs=4,
        )
        out = io.StringIO()
        with (
            mock.patch.dict(os.environ, self.patient.environment(), clear=True),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            time = datetime.now(UTC) + timedelta(days=days)
            assert gc_session.run(request, as_json=True, clock=lambda: time)
        result: dict[str, Any] = json.loads(out.getvalue())
        return result

    def objects(self, prefix: str = "") -> set[str]:
        """Return the keys of objects."""
        found = self.patient.root.list_objects_v2(Bucket=self.patient.bucket, Prefix=prefix)
        return {one["Key"] for one in found.get("Contents", [])}

    def fetched(self, name: str) -> bytes:
        """Return what an anonymous client gets at the URL of a pin."""
        url = f"{self.patient.outputs['manifest']['readUrl']}/{latest_key(name)}"
        with urllib.request.urlopen(url, timeout=30) as answer:
            assert answer.headers["Content-Type"].startswith("text/plain")
            assert answer.headers["Cache-Control"] == "max-age=60"
            content: bytes = answer.read()
        return content


@pytest.fixture(scope="module")
def made(module_folder: Path, engine: Engine, module_server: LocalServer) -> House:
    """Provide a public cache that is in use on this machine, as its writer."""
    store = PlainStore(module_folder / "store")
    folder = module_folder / "cache"
    project = public_cache(folder, engine, module_folder / "minio", storeDir=str(store.folder))
    project.up()
    patient = Patient(module_server, project.outputs(secrets=True), module_folder / "home")
    outputs = patient.outputs
    pair = outputs["credentials"][WRITER]
    file = patient.home / ".aws" / "credentials"
    manifest = Manifest.model_validate(outputs["manifest"])
    file.write_text(
        f"{file.read_text()}\n[{manifest.profiles[WRITER]}]\n"
        f"aws_access_key_id = {pair['accessKeyId']}\n"
        f"aws_secret_access_key = {pair['secretAccessKey']}\n"
    )
    key = signing.parse_secret_key(outputs["signingKeys"][WRITER])
    key_file = patient.home / "key.sec"
    key_file.touch(mode=0o600)
    key_file.write_text(key.secret_text)
    record = Record(name=NAME, manifest=manifest, writer=WRITER, signing_key_file=key_file)
    save(user_place({"HOME": str(patient.home)}), record)
    pusher = Pusher(patient.server.url, "", "", patient.bucket, key, store)
    return House(patient, store, pusher)


@pytest.fixture
def house(made: House) -> Iterator[House]:
    """Provide the cache without store paths and pins."""
    yield made
    for key in made.objects() - {"nix-cache-info", "nix-cache.json", "index.html"}:
        made.patient.root.delete_object(Bucket=made.patient.bucket, Key=key)


def test_a_pinned_path_is_kept_until_it_is_unpinned(house: House) -> None:
    """With its closure; the URL of the pin names it as long."""
    library = house.put("library")
    program, other = house.put("program", library), house.put("other")
    path = program.info.store_path

    assert house.done("pin", "my-app", path) == f"Pinned {path} as my-app.\n"
    assert house.fetched("my-app") == f"{path}\n".encode()
    house.collect(1000)
    kept = {one.info.key for one in (library, program)}
    assert {key for key in house.objects() if key.endswith(".narinfo")} == kept
    assert other.info.url not in house.objects()
    assert house.pins()["my-app"]["path"] == path

    assert house.done("unpin", "my-app") == "Unpinned my-app.\n"
    assert house.fetched("my-app") == b""
    assert house.pins()["my-app"]["isPinned"] is False
    house.collect(1000)
    house.collect(1000)
    assert not [key for key in house.objects() if key.endswith(".narinfo")]
    assert house.objects(PINS_PREFIX) == set()
    assert house.pins() == {}


def test_a_push_pins_what_it_pushed_and_keeps_some_revisions(house: House) -> None:
    """In one command; `pins` lists the revisions and their writer."""
    paths = []
    for number in range(3):
        paths.append(house.store.add(f"app-{number}", os.urandom(999)).path)
        options = ("--pin", "app", "--keep-revisions", "2", "--json")
        pushed = json.loads(house.done("push", *options, paths[-1]))
        assert pushed["pin"] == "app"
    for key in house.objects("nix-cache-roots/"):
        house.patient.root.delete_object(Bucket=house.patient.bucket, Key=key)

    house.collect(1000)

    (pin,) = house.pins().values()
    assert pin["path"] == paths[2]
    assert pin["writer"] == WRITER
    assert [one["path"] for one in pin["revisions"]] == [paths[2], paths[1]]
    narinfos = {f"{Path(path).name[:32]}.narinfo" for path in paths[1:]}
    assert {key for key in house.objects() if key.endswith(".narinfo")} == narinfos
    table = house.done("pins", NAME, "--owner", OWNER)
    assert [line.split()[0] for line in table.splitlines()] == ["NAME", "app"]


def test_a_push_keeps_what_was_there_since_its_own_time(house: House) -> None:
    """A path that was pushed again is as young as the last push, though nothing was uploaded."""
    path = house.store.add("again", os.urandom(999)).path
    house.done("push", path)
    first = house.objects("nix-cache-roots/")
    assert json.loads(house.done("push", "--json", path))["skipped"] == [path]
    assert len(house.objects("nix-cache-roots/") - first) == 1

    kept = house.collect(89)
    assert kept["narinfos"] == []
    assert len(kept["rootRecords"]) == 1  # the second one has all that the first one has
    gone = house.collect(91)
    assert len(gone["narinfos"]) == len(gone["rootRecords"]) == 1


def test_a_path_that_is_not_in_the_cache_is_not_pinned(house: House) -> None:
    """Nothing is changed."""
    path = house.patient.new_path("absent").info.store_path

    code, out, err = house.run("pin", "my-app", path)

    assert (code, out) == (1, "")
    assert f"{path} is not in the cache {NAME}" in err
    assert house.objects(PINS_PREFIX) == set()
    code, _, err = house.run("unpin", "my-app")
    assert code == 2
    assert "has no pin my-app" in err


def test_a_writer_neither_lists_nor_deletes_pins(house: House) -> None:
    """It reads and puts them."""
    house.done("pin", "my-app", house.put("program").info.store_path)
    (revision,) = house.objects(PINS_PREFIX) - {latest_key("my-app")}
    bucket, writer = house.patient.bucket, house.writer

    with pytest.raises(S3Error, match="AccessDenied"):
        writer.list_objects_v2(Bucket=bucket, Prefix=PINS_PREFIX)
    for key in (revision, latest_key("my-app")):
        with pytest.raises(S3Error, match="AccessDenied"):
            writer.delete_object(Bucket=bucket, Key=key)
    assert revision in house.objects(PINS_PREFIX)
    code, _, err = house.run("pins", NAME, "--owner", WRITER)
    assert code == 1
    assert "may not list" in err


def test_a_writer_of_an_earlier_stack_gets_the_fix(house: House) -> None:
    """Its policy does not allow pins."""
    path, bucket = house.put("program").info.store_path, house.patient.bucket
    now = access.without_administration(access.writer_policy(bucket))
    before = json.loads(json.dumps(now))
    for statement in before["Statement"]:
        if "Resource" in statement:
            statement["Resource"] = [one for one in statement["Resource"] if PINS_PREFIX not in one]
    assert before != now
    house.patient.admin.policy_add(f"{bucket}-write", policy=before)
    try:
        code, _, err = house.run("pin", "my-app", path)
    finally:
        house.patient.admin.policy_add(f"{bucket}-write", policy=now)

    assert code == 1
    assert f"the writer {WRITER} may not pin store paths" in err
    assert "run `pulumi up` on the stack" in err
    assert house.objects(PINS_PREFIX) == set()
