"""`make drift` on MinIO: every change outside is reported in words, and nothing is written.

Only this module compares a real server after each kind of change, and runs the command during an
outage and on a stack of the user's own. Further differences are in
`tests/unit/cli/test_stack_drift.py`.
"""

import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from nix_cache.backends.minio.drift.comparison import compare
from nix_cache.backends.minio.drift.declared import Declared
from nix_cache.backends.minio.drift.declared_by_state import declared
from nix_cache.backends.minio.drift.server import Administration
from tests.engine import damages
from tests.engine.clone import Clone, admin_client, assert_plain_error, cloned
from tests.engine.command import TIMEOUT_SECONDS, Result, clean_environment
from tests.engine.damages import BUCKET, OWN, POLICY, WRITER, Damage
from tests.fakes.faulty_proxy import Fault, FaultyProxy
from tools import engine as toolchain_engine
from tools.bootstrap import ROOT
from tools.place import STACK

pytestmark = pytest.mark.faults

THE_BUCKET = f"the bucket {BUCKET}"

REPAIR = "nix-cache stack repair --stack"

REPORTED: dict[Damage, list[str]] = {
    damages.close_bucket: [f"anonymous requests can no longer read objects in {THE_BUCKET}"],
    damages.open_bucket: [f"anonymous requests can list objects in {THE_BUCKET}"],
    damages.delete_own: [f"{key} was deleted from {THE_BUCKET}" for key in sorted(OWN)],
    damages.overwrite_own: [
        "index.html has other content",
        "nix-cache-info no longer says StoreDir: /nix/store, "
        "and no longer says WantMassQuery: 1, and no longer says Priority: 40, "
        "and says of another user, which the stack does not",
        "nix-cache.json has other content",
    ],
    damages.lower_priority: ["nix-cache-info says Priority: 10 instead of 40"],
    damages.expire_nothing: [f"the lifecycle of {THE_BUCKET} was deleted: nothing expires"],
    damages.expire_everything: [
        f"the lifecycle of {THE_BUCKET} has 1 rule instead of 281, and deletes "
        "nix-cache-info, index.html, nix-cache.json"
    ],
    damages.set_quota: [f"{THE_BUCKET} was given a quota, at which pushes fail"],
    damages.delete_bucket: [f"{THE_BUCKET} was deleted, with all that was in it"],
    damages.detach_policy: [f"the policy {POLICY} was taken from the user {WRITER}"],
    damages.exchange_policy: [
        f"the policy {POLICY} was taken from the user {WRITER}",
        f"the user {WRITER} was given the further policy readwrite",
    ],
    damages.attach_policy: [f"the user {WRITER} was given the further policy readwrite"],
    damages.widen_policy: [
        f"the policy {POLICY} lets a writer replace the cache's metadata, upload anything "
        "else, delete objects, list objects, list unfinished uploads, change the bucket's policy, "
        "change the lifecycle, delete the bucket, administer themselves"
    ],
    damages.delete_policy: [f"the policy {POLICY} was deleted: its users have no rights"],
    damages.delete_user: [f"the user {WRITER} was deleted"],
    damages.delete_user_and_policy: [
        f"the policy {POLICY} was deleted: its users have no rights",
        f"the user {WRITER} was deleted",
    ],
    damages.disable_user: [f"the user {WRITER} was disabled"],
    damages.change_secret: [f"the user {WRITER} was given another secret"],
    damages.join_group: [f"the user {WRITER} was put into the group admins, and has its rights"],
    damages.make_access_key: [f"the user {WRITER} was given a further access key, of-a-user"],
}


@dataclass(frozen=True)
class Drifting:
    """A clone that is up, whose server can be put back to what it was.

    Attributes:
        clone: it.
        copy: the server's data as they were.
    """

    clone: Clone
    copy: Path

    def drift(self, *options: str) -> Result:
        """Run `make drift`'s command."""
        return run(self.clone, "drift", *options)

    def put_back(self) -> None:
        """Make the server what it was, which is faster than a repair."""
        self.clone.server.stop()
        data = self.clone.place.server / "data"
        shutil.rmtree(data)
        shutil.copytree(self.copy, data, symlinks=True)
        self.clone.server.start()

    def files(self) -> dict[str, str]:
        """Everything that a check might write: the state and its history, and the configuration."""
        folders = (self.clone.place.state, self.clone.place.passphrase_file)
        found = [file for folder in folders for file in (folder, *folder.rglob("*"))]
        return {
            str(file): hashlib.sha256(file.read_bytes()).hexdigest()
            for file in [*found, self.clone.place.stack_config]
            if file.is_file()
        }

    def on_server(self) -> Any:
        """Every object of every bucket, and every user."""
        root = self.clone.root
        objects = {
            f"{bucket['Name']}/{entry['Key']}": (entry["ETag"], entry["LastModified"])
            for bucket in root.list_buckets()["Buckets"]
            for entry in root.list_objects_v2(Bucket=bucket["Name"]).get("Contents", [])
        }
        return objects, json.loads(admin_client(self.clone.connection).user_list())


def run(clone: Clone, *arguments: str, **variables: str) -> Result:
    """Run a command behind `make` with options, its result apart from what it notes."""
    done = subprocess.run(
        [str(ROOT / ".venv" / "bin" / "python"), "-m", "tools", *arguments],
        cwd=clone.folder,
        env={**clean_environment(), "PYTHONPATH": str(ROOT), "COLUMNS": "400", **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stdout + done.stderr, 0)


@pytest.fixture(scope="module")
def drifting(
    tmp_path_factory: pytest.TempPathFactory, engine: toolchain_engine.Engine
) -> Iterator[Drifting]:
    """Provide a cache with a lifecycle, and a copy of its server's data."""
    folder = tmp_path_factory.mktemp("drift")
    with cloned(folder / "clone", engine) as clone:
        clone.configure(expireAfterDays=90)
        clone.dev("up")
        clone.server.stop()
        shutil.copytree(clone.place.server / "data", folder / "copy", symlinks=True)
        clone.server.start()
        yield Drifting(clone, folder / "copy")


@pytest.fixture(scope="module")
def made(drifting: Drifting) -> Declared:
    """Provide what the stack made. No test changes the state."""
    exported = drifting.clone.pulumi("stack", "export", "--show-secrets", "--stack", STACK)
    return declared(json.loads(exported.checked("stack export").stdout)["deployment"]["resources"])


@pytest.mark.parametrize("damage", REPORTED, ids=lambda damage: damage.__name__)
def test_a_change_outside_is_reported(drifting: Drifting, made: Declared, damage: Damage) -> None:
    """Each of them, and nothing is written on the server."""
    damage(drifting.clone)
    on_server = drifting.on_server()
    try:
        found = compare(made, Administration(drifting.clone.connection).look(made))

        assert [finding.what for finding in found] == REPORTED[damage]
        assert all(finding.was != finding.now for finding in found)
        assert drifting.on_server() == on_server
    finally:
        drifting.put_back()


@pytest.mark.parametrize("damage", [None, damages.delete_user_and_policy, damages.delete_bucket])
def test_a_check_writes_nothing(drifting: Drifting, damage: Damage | None) -> None:
    """Neither on the server nor here, also where the provider's own refresh fails."""
    if damage:
        damage(drifting.clone)
    before = (drifting.files(), drifting.on_server())
    try:
        result = drifting.drift("--json")

        found = json.loads(result.stdout)["drift"]
        assert [finding["what"] for finding in found] == (REPORTED[damage] if damage else [])
        assert result.exit_code == (2 if damage else 0), result.output
        for finding in found:
            assert set(finding) == {"what", "was", "is", "fix"}
            assert finding["fix"].startswith(f"`{REPAIR} dev` ")
        assert "urn:" not in result.output
        assert (drifting.files(), drifting.on_server()) == before
    finally:
        drifting.put_back()


def test_drift_is_reported_to_people_with_the_command_that_mends_it(drifting: Drifting) -> None:
    """What was, what is, and what to type."""
    damages.delete_user(drifting.clone)
    try:
        result = drifting.drift()

        assert result.exit_code == 2
        assert f"the user {WRITER} was deleted\n" in result.stdout
        assert f"was  there, with {POLICY}\n" in result.stdout
        assert "is   not there\n" in result.stdout
        assert (
            "fix  `nix-cache stack repair --stack dev` creates the user again, with a new secret"
            in result.stdout
        )
        assert f"To repair all of it: {REPAIR} dev\n" in result.stdout
    finally:
        drifting.put_back()


@pytest.mark.parametrize("fault", [Fault.DOWN, Fault.BUSY, Fault.HANG])
def test_a_check_during_an_outage_is_one_clear_error(drifting: Drifting, fault: Fault) -> None:
    """It is no drift, and nothing is written."""
    written = drifting.clone.place.connection_file.read_text()
    with FaultyProxy(drifting.clone.connection.server) as proxy:
        through = {**json.loads(written), "minioServer": proxy.address}
        drifting.clone.place.connection_file.write_text(json.dumps(through))
        files = drifting.files()
        proxy.fail(fault)
        try:
            result = drifting.drift("--json")
        finally:
            drifting.clone.place.connection_file.write_text(written)

    assert result.exit_code == 1
    assert result.stdout == ""
    assert f"MinIO at http://{proxy.address} " in result.output
    assert_plain_error(result.output)
    assert drifting.files() == files


def test_a_check_neither_makes_a_stack_nor_starts_a_server(
    tmp_path: Path, engine: toolchain_engine.Engine, drifting: Drifting
) -> None:
    """In a new clone, and where the local server was stopped; the way out is named."""
    with cloned(tmp_path / "clone", engine) as new:
        result = run(new, "drift")
        assert result.exit_code == 1
        assert "the stack dev does not exist\n  fix: make up" in result.output
        assert not new.place.state.exists()

    drifting.clone.server.stop()
    try:
        result = drifting.drift()
        assert result.exit_code == 1
        assert "the local MinIO does not run\n  fix: make up" in result.output
        assert drifting.clone.server.process() is None
    finally:
        drifting.clone.server.start()


def test_a_stack_of_ones_own_is_checked_by_its_own_configuration(drifting: Drifting) -> None:
    """Its state is where the environment says, its administrator in its configuration."""
    clone = drifting.clone
    root = clone.connection
    config = clone.folder / "Pulumi.team-dev.yaml"
    config.write_text(
        "config:\n"
        "  nix-cache:domain: cache.example.org\n"
        "  nix-cache:bucket: team-cache\n"
        f"  minio:minioServer: {root.server}\n"
        f"  minio:minioUser: {root.user}\n"
    )
    stack = ("--stack", "team-dev")
    try:
        clone.pulumi("stack", "init", "team-dev").checked("stack init")
        clone.pulumi("config", "set", "--secret", "minio:minioPassword", root.password, *stack)
        clone.pulumi("up", "--yes", "--skip-preview", *stack).checked("up")
        assert run(clone, "drift", *stack).exit_code == 0

        admin_client(root).user_remove("team-cache-nixreader")
        opened = damages.document("s3:ListBucket", bucket="team-cache", Principal={"AWS": ["*"]})
        clone.root.put_bucket_policy(Bucket="team-cache", Policy=json.dumps(opened))
        result = run(clone, "drift", "--json", *stack)
        assert result.exit_code == 2
        assert [
            (f["what"], f["fix"].split("`")[1]) for f in json.loads(result.stdout)["drift"]
        ] == [
            (
                "anonymous requests can list objects in the bucket team-cache",
                f"{REPAIR} team-dev",
            ),
            (
                "the user team-cache-nixreader was deleted",
                f"{REPAIR} team-dev",
            ),
        ]

        refused = run(clone, "repair", *stack)
        assert refused.exit_code == 1
        assert "nothing was done: the repair of the stack team-dev was not conf" in refused.output
        assert run(clone, "drift", *stack).exit_code == 2
        assert run(clone, "repair", "--yes", *stack).exit_code == 0
        assert run(clone, "drift", *stack).exit_code == 0
        assert run(clone, "drift").exit_code == 0
    finally:
        drifting.put_back()


def test_an_unknown_stack_is_one_clear_error(drifting: Drifting) -> None:
    """A typing error is no drift."""
    backend = drifting.clone.place.state.as_uri()
    result = run(drifting.clone, "drift", "--stack", "no-such-stack", PULUMI_BACKEND_URL=backend)

    assert result.exit_code == 1
    assert "error: the stack no-such-stack does not exist in " in result.output
    assert_plain_error(result.output)
