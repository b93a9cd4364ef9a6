"""What is special about Spaces: full keys of public caches, keys replaced one by one, and the CDN.

Only this module shows how credentials, the CDN and the bucket's name change on Spaces.
"""

import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from tests.engine.project import STACK, Project
from tests.engine.readme import commands
from tests.engine.spaces_project import (
    BUCKET,
    NAR,
    cache,
    key_client,
    root,
    spaces,
    spaces_engine,
    spaces_server,
    spaces_venv,
)
from tests.engine.spaces_service import CERTIFICATE, SpacesService
from tests.waiting import wait_until
from toolchain.bootstrap import ROOT

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["cache", "root", "spaces", "spaces_engine", "spaces_server", "spaces_venv"]

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("public", [False, True], ids=["private", "public"])
def test_the_policies_tell_of_a_key_to_the_whole_account_and_stop_nothing(
    cache: Project, public: bool
) -> None:
    """A public cache has no narrower one."""
    cache.set(public=public)
    for key in ("digitalocean:token", "digitalocean:spacesSecretKey"):
        cache.typed(f"pulumi config set --stack {STACK} --secret {key} {cache.config[key]}")

    told = cache.pulumi("preview", "--stack", STACK, "--policy-pack", str(ROOT / "policies"))

    assert "nix-cache@v" in told, "the pack was not asked"
    assert "[mandatory]" not in told
    assert ("spaces-full-access" in told) == public
    assert ("opens all Spaces of the account" in told) == public


def test_a_protected_cache_is_not_destroyed(cache: Project, root: "S3Client") -> None:
    """Neither the engine nor Spaces lets go of it."""
    cache.set(protect=True)
    cache.up()

    refused = cache.run("destroy", "--yes", "--stack", STACK)

    assert refused.exit_code != 0
    assert "protect" in refused.output
    assert BUCKET in [bucket["Name"] for bucket in root.list_buckets()["Buckets"]]
    cache.set(protect=False)
    cache.up()


def test_a_credential_is_replaced_on_demand(cache: Project, spaces: SpacesService) -> None:
    """As the README tells: its own resource is named, and nothing else changes."""
    cache.up()
    before = cache.outputs(secrets=True)

    cache.pulumi("stack", "select", STACK)
    (line,) = commands("On DigitalOcean Spaces", holding="--replace")
    cache.typed(line)

    after = cache.outputs(secrets=True)
    assert before["credentials"]["nixbuilder"] != after["credentials"]["nixbuilder"]
    assert before["credentials"]["nixreader"] == after["credentials"]["nixreader"]
    assert before["signingKeys"] == after["signingKeys"]
    assert len(spaces.keys.all()) == 2
    key_client(cache, "nixbuilder").put_object(Bucket=BUCKET, Key=NAR, Body=b"nar")


def test_a_writer_comes_and_goes_alone(cache: Project, spaces: SpacesService) -> None:
    """Their credential works once they are there, and is void once they are not."""
    cache.up()
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
    assert {key.name for key in spaces.keys.all()} == {
        f"{BUCKET}-nixbuilder",
        f"{BUCKET}-nixreader",
    }


def test_another_bucket_name_makes_another_bucket(cache: Project, root: "S3Client") -> None:
    """The provider by itself would take the new name for one of the old bucket."""
    cache.up()
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
    told = []
    for cdn in ({}, {**own_domain, "ttlSeconds": 600}, None):
        cache.set(spaces=base if cdn is None else {**base, "cdn": cdn})
        cache.up()
        cache.up("--refresh", "--expect-no-changes")
        told.append(cache.outputs()["readUrl"])
        assert [(c["ttl"], c.get("certificate_id", "")) for c in spaces.cdns.values()] == {
            0: [(3600, "")],
            1: [(600, CERTIFICATE["id"])],
            2: [],
        }[len(told) - 1]

    assert told == [
        f"https://{BUCKET}.fra1.cdn.digitaloceanspaces.com",
        "https://nix.example.org",
        f"{spaces.connection.url}/{BUCKET}",
    ]


def test_an_interrupted_up_is_finished_by_the_next_one(
    cache: Project, spaces: SpacesService, root: "S3Client"
) -> None:
    """Also where it made a bucket of which it could not note that any more."""
    cache.set(expireAfterDays=90)
    cache.preview()  # writes the configuration
    up = subprocess.Popen(
        [str(cache.engine.pulumi), "up", "--yes", "--skip-preview", "--stack", STACK],
        cwd=cache.folder,
        env=cache.variables(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    wait_until(lambda: bool(root.list_buckets()["Buckets"]), "the bucket made", seconds=120)
    os.killpg(up.pid, signal.SIGKILL)
    up.wait()
    cache.run("cancel", "--yes", "--stack", STACK)

    cache.up("--refresh")

    cache.up("--expect-no-changes")
    assert sorted(key.name for key in spaces.keys.all()) == [
        f"{BUCKET}-nixbuilder",
        f"{BUCKET}-nixreader",
    ]
    key_client(cache, "nixbuilder").put_object(Bucket=BUCKET, Key=NAR, Body=b"nar")


def test_a_cache_goes_from_private_to_public_and_back(
    cache: Project, spaces: SpacesService, root: "S3Client"
) -> None:
    """Its objects and signing keys stay; everybody who may then push or read has a new key."""
    cache.up()
    public_keys = cache.outputs()["publicKeys"]
    known = set()
    for public in (True, False):
        known |= {key.access_key for key in spaces.keys.all()}
        root.put_object(Bucket=BUCKET, Key=NAR, Body=b"nar")

        cache.set(public=public)
        cache.up()

        cache.up("--refresh", "--expect-no-changes")
        keys = spaces.keys.all()
        assert [key.is_limited_to(BUCKET) for key in keys] == ([False] if public else [True, True])
        assert known.isdisjoint(key.access_key for key in keys)
        assert root.get_object(Bucket=BUCKET, Key=NAR)["Body"].read() == b"nar"
    assert cache.outputs()["publicKeys"] == public_keys
