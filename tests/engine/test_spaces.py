"""What is special about Spaces: full keys of public caches, keys replaced one by one, and the CDN.

Only this module shows how credentials, the CDN and the bucket's name change on Spaces, and what an
interrupted run leaves there. Protection is shown on the inputs
(`tests/unit/backends/test_spaces.py`) and under the engine on MinIO (`test_keys.py`).
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from botocore.exceptions import ClientError

from tests.engine.project import STACK, Project
from tests.engine.shared import SharedStack
from tests.engine.spaces_project import (
    BUCKET,
    NAR,
    key_client,
    root,
    spaces,
    spaces_cache,
    spaces_engine,
    spaces_server,
    spaces_venv,
)
from tests.fakes.killing_proxy import kill_tree
from tests.fakes.spaces_service import CERTIFICATE, SpacesService
from tests.pages import commands
from tests.waiting import wait_until
from tools.bootstrap import ROOT
from tools.engine import Engine

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["root", "spaces", "spaces_engine", "spaces_server", "spaces_venv"]

pytestmark = pytest.mark.slow

UP_SECONDS = 120.0


@pytest.fixture(scope="module")
def stack(
    module_folder: Path, spaces_engine: Engine, spaces: SpacesService, spaces_venv: Path
) -> Iterator[SharedStack]:
    """Provide a private cache with expiry, for all tests."""
    project = spaces_cache(
        module_folder / "project", spaces_engine, spaces, spaces_venv, expireAfterDays=90
    )
    for key in ("digitalocean:token", "digitalocean:spacesSecretKey"):
        project.set_config_secret(key, project.config.pop(key))
    yield SharedStack(project)
    project.destroy()


@pytest.fixture
def cache(stack: SharedStack) -> Iterator[Project]:
    """Provide the cache, up and private."""
    with stack.lent() as project:
        yield project


def keys_of(spaces: SpacesService, bucket: str) -> list[str]:
    """Return the names of a cache's keys."""
    return sorted(key.name for key in spaces.keys.all() if key.name.startswith(f"{bucket}-"))


def test_a_refresh_of_a_private_cache_with_expiry_changes_nothing(cache: Project) -> None:
    """Rules and keys come back from the service as they were declared."""
    cache.pulumi("refresh", "--yes", "--stack", STACK, "--expect-no-changes")


def test_a_key_rotation_plans_one_key_and_nothing_else(cache: Project) -> None:
    """A private cache publishes nothing that would change with it."""
    cache.set(writers=[{"name": "nixbuilder", "generation": 2}])

    assert cache.planned() == {"nix-cache-nixbuilder-key-2": "create"}


@pytest.mark.parametrize("public", [False, True], ids=["private", "public"])
def test_the_policies_report_of_a_key_to_the_whole_account_and_stop_nothing(
    cache: Project, public: bool
) -> None:
    """A public cache has no narrower one."""
    cache.set(public=public)

    reported = cache.pulumi("preview", "--stack", STACK, "--policy-pack", str(ROOT / "policies"))

    assert "nix-cache@v" in reported, "the pack was not asked"
    assert "[mandatory]" not in reported
    assert ("spaces-full-access" in reported) == public
    assert ("opens all Spaces of the account" in reported) == public


def test_a_credential_is_replaced_on_demand(cache: Project, spaces: SpacesService) -> None:
    """As the page describes: its own resource is named, and nothing else changes."""
    before = cache.outputs(secrets=True)

    cache.pulumi("stack", "select", STACK)
    (line,) = commands("docs/backends/spaces.md", "Replace one credential")
    cache.typed(line)

    after = cache.outputs(secrets=True)
    assert before["credentials"]["nixbuilder"] != after["credentials"]["nixbuilder"]
    assert before["credentials"]["nixreader"] == after["credentials"]["nixreader"]
    assert before["signingKeys"] == after["signingKeys"]
    assert len(spaces.keys.all()) == 2
    key_client(cache, "nixbuilder").put_object(Bucket=BUCKET, Key=NAR, Body=b"nar")


def test_a_writer_comes_and_goes_alone(cache: Project, spaces: SpacesService) -> None:
    """Their credential works once they are there, and is void once they are not."""
    before = cache.outputs(secrets=True)["credentials"]
    cache.set(writers=["nixbuilder", "second"])
    cache.up()
    second = key_client(cache, "second")
    second.put_object(Bucket=BUCKET, Key=NAR, Body=b"by the second")
    assert cache.outputs(secrets=True)["credentials"].items() >= before.items()

    cache.set(writers=["nixbuilder"])
    cache.up()

    with pytest.raises(ClientError, match="InvalidAccessKeyId"):
        second.put_object(Bucket=BUCKET, Key=NAR, Body=b"by the second")
    assert cache.outputs(secrets=True)["credentials"] == before
    assert keys_of(spaces, BUCKET) == [f"{BUCKET}-nixbuilder", f"{BUCKET}-nixreader"]


def test_another_bucket_name_makes_another_bucket(cache: Project, root: "S3Client") -> None:
    """The provider by itself would take the new name for one of the old bucket."""
    cache.set(bucket="other-cache")

    cache.up()

    assert [bucket["Name"] for bucket in root.list_buckets()["Buckets"]] == ["other-cache"]
    key_client(cache, "nixbuilder").put_object(Bucket="other-cache", Key=NAR, Body=b"nar")
    cache.up("--refresh", "--expect-no-changes")


def test_a_cdn_comes_changes_and_goes(cache: Project, spaces: SpacesService) -> None:
    """Readers read through it meanwhile, and the bucket stays."""
    cache.set(public=True)
    base = cache.config["nix-cache:spaces"]
    own_domain = {"domainName": "nix.example.org", "certificateName": CERTIFICATE["name"]}
    reported = []
    for cdn in ({}, {**own_domain, "ttlSeconds": 600}, None):
        cache.set(spaces=base if cdn is None else {**base, "cdn": cdn})
        cache.up()
        reported.append(cache.outputs()["readUrl"])
        assert [(c["ttl"], c.get("certificate_id", "")) for c in spaces.cdns.values()] == {
            0: [(3600, "")],
            1: [(600, CERTIFICATE["id"])],
            2: [],
        }[len(reported) - 1]

    assert reported == [
        f"https://{BUCKET}.fra1.cdn.digitaloceanspaces.com",
        "https://nix.example.org",
        f"{spaces.connection.url}/{BUCKET}",
    ]


@pytest.fixture
def unmade(
    tmp_path: Path, spaces_engine: Engine, spaces: SpacesService, spaces_venv: Path
) -> Iterator[Project]:
    """Another private cache with expiry, not up yet. What it made goes with the test."""
    project = spaces_cache(tmp_path / "project", spaces_engine, spaces, spaces_venv)
    project.set(bucket="interrupted-cache", expireAfterDays=90)
    yield project
    project.destroy()


def test_an_interrupted_up_is_finished_by_the_next_one(
    unmade: Project, spaces: SpacesService, root: "S3Client"
) -> None:
    """Also where it created a bucket that the state does not have."""
    bucket = "interrupted-cache"
    unmade.write_config()
    with subprocess.Popen(
        [str(unmade.engine.pulumi), "up", "--yes", "--skip-preview", "--stack", STACK],
        cwd=unmade.folder,
        env=unmade.variables(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as up:
        wait_until(
            lambda: bucket in [one["Name"] for one in root.list_buckets()["Buckets"]],
            "the bucket made",
            seconds=UP_SECONDS,
        )
        kill_tree(psutil.Process(up.pid))
    unmade.run("cancel", "--yes", "--stack", STACK)

    unmade.up("--refresh")

    unmade.up("--expect-no-changes")
    assert keys_of(spaces, bucket) == [f"{bucket}-nixbuilder", f"{bucket}-nixreader"]
    key_client(unmade, "nixbuilder").put_object(Bucket=bucket, Key=NAR, Body=b"nar")


def test_a_cache_goes_from_private_to_public_and_back(
    cache: Project, spaces: SpacesService, root: "S3Client"
) -> None:
    """Its objects and signing keys stay; all users who may then push or read has a new key."""
    public_keys = cache.outputs()["publicKeys"]
    known = set()
    for public in (True, None):
        known |= {key.access_key for key in spaces.keys.all()}
        root.put_object(Bucket=BUCKET, Key=NAR, Body=b"nar")

        cache.set(public=public)
        cache.up()

        keys = spaces.keys.all()
        assert [key.is_limited_to(BUCKET) for key in keys] == ([False] if public else [True, True])
        assert known.isdisjoint(key.access_key for key in keys)
        assert root.get_object(Bucket=BUCKET, Key=NAR)["Body"].read() == b"nar"
    assert cache.outputs()["publicKeys"] == public_keys
    cache.up("--refresh", "--expect-no-changes")
