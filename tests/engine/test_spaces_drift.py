"""Changes outside on Spaces, reported by `nix-cache stack` and put back by a refreshed `up`.

Only this module shows it of the CDN, of keys and of a bucket that has its expiry in itself.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from nix_cache.formats.cache_info import INFO_KEY
from tests.engine.clone import in_one_order
from tests.engine.drift_command import drifted
from tests.engine.project import Project
from tests.engine.spaces_project import (
    BUCKET,
    NAR,
    root,
    spaces,
    spaces_cache,
    spaces_engine,
    spaces_server,
    spaces_venv,
)
from tests.fakes.spaces_service import SpacesService
from tools.engine import Engine

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["root", "spaces", "spaces_engine", "spaces_server", "spaces_venv"]

pytestmark = pytest.mark.faults

WRITER = f"{BUCKET}-nixbuilder"
Damage = Callable[[SpacesService, "S3Client"], object]


def _open_bucket(_: SpacesService, root: "S3Client") -> None:
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": ["*"]},
        "Action": ["s3:GetObject", "s3:ListBucket"],
        "Resource": [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"],
    }
    document = {"Version": "2012-10-17", "Statement": [statement]}
    root.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(document))


def _expire_everything(_: SpacesService, root: "S3Client") -> None:
    rule = {"ID": "all", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 7}}
    root.put_bucket_lifecycle_configuration(
        Bucket=BUCKET,
        LifecycleConfiguration={"Rules": [rule]},  # type: ignore[list-item]
    )


def _change_cdn(spaces: SpacesService, _: "S3Client") -> None:
    (cdn,) = spaces.cdns.values()
    cdn["ttl"] = 60


def _empty_bucket(_: SpacesService, root: "S3Client") -> None:
    for entry in root.list_objects_v2(Bucket=BUCKET)["Contents"]:
        root.delete_object(Bucket=BUCKET, Key=entry["Key"])
    root.delete_bucket_policy(Bucket=BUCKET)
    root.delete_bucket(Bucket=BUCKET)


def _delete_policy(_: SpacesService, root: "S3Client") -> None:
    root.delete_bucket_policy(Bucket=BUCKET)


def _delete_info(_: SpacesService, root: "S3Client") -> None:
    root.delete_object(Bucket=BUCKET, Key=INFO_KEY)


def _replace_info(_: SpacesService, root: "S3Client") -> None:
    root.put_object(Bucket=BUCKET, Key=INFO_KEY, Body=b"StoreDir: /gnu/store\n")


def _expire_nothing(_: SpacesService, root: "S3Client") -> None:
    root.delete_bucket_lifecycle(Bucket=BUCKET)


def _rename_key(spaces: SpacesService, _: "S3Client") -> None:
    spaces.keys.named(WRITER).name = "renamed"


def _delete_key(spaces: SpacesService, _: "S3Client") -> None:
    spaces.keys.remove(spaces.keys.named(WRITER))


DAMAGES: dict[str, tuple[Damage, ...]] = {
    "all deleted that nothing depends on": (
        _delete_policy,
        _delete_info,
        _expire_nothing,
        _delete_key,
    ),
    "all changed that nothing depends on": (
        _open_bucket,
        _replace_info,
        _expire_everything,
        _change_cdn,
        _rename_key,
    ),
    "bucket deleted": (_empty_bucket,),
}
"""What is done before one repair. Together are only changes of separate resources, so that none
is repaired along with another."""


@pytest.fixture(scope="module")
def drifting(
    tmp_path_factory: pytest.TempPathFactory,
    spaces_engine: Engine,
    spaces: SpacesService,
    spaces_venv: Path,
) -> Iterator[Project]:
    """Provide a public cache with everything that one can have."""
    folder = tmp_path_factory.mktemp("drift") / "project"
    project = spaces_cache(folder, spaces_engine, spaces, spaces_venv, public=True)
    project.set(expireAfterDays=90, spaces={**project.config["nix-cache:spaces"], "cdn": {}})
    project.up()
    yield project
    project.destroy()
    assert spaces.cdns == {}


def seen(spaces: SpacesService, root: "S3Client") -> dict[str, Any]:
    """Return the whole cache as plain clients see it. What is not there is None."""

    def rules() -> list[tuple[Any, ...]]:
        found = root.get_bucket_lifecycle_configuration(Bucket=BUCKET)["Rules"]
        return sorted((r["ID"], r["Filter"]["Prefix"], r["Expiration"]["Days"]) for r in found)

    def info() -> tuple[bytes, str]:
        answer = root.get_object(Bucket=BUCKET, Key=INFO_KEY)
        return answer["Body"].read(), answer["ContentType"]

    questions: dict[str, Callable[[], Any]] = {
        "policy": lambda: json.loads(root.get_bucket_policy(Bucket=BUCKET)["Policy"]),
        "lifecycle": rules,
        "info": info,
        "cdn": lambda: [(cdn["origin"], cdn["ttl"]) for cdn in spaces.cdns.values()],
        "keys": lambda: [(key.name, key.grants) for key in spaces.keys.all()],
    }
    return {name: _or_none(question) for name, question in questions.items()}


def test_what_was_changed_outside_is_reported_and_nothing_is_written(
    drifting: Project, spaces: SpacesService, root: "S3Client"
) -> None:
    """By `nix-cache stack drift`, in the cache's words."""
    assert drifted(drifting) == set()
    for damage in (_open_bucket, _delete_info, _rename_key, _change_cdn):
        damage(spaces, root)
    damaged = seen(spaces, root)
    found = drifted(drifting)
    after = seen(spaces, root)
    drifting.up("--refresh")

    assert found == {
        f"anonymous requests can list objects in the bucket {BUCKET}",
        "nix-cache-info in the bucket was deleted",
        f"the key of {WRITER} was changed: name",
        "the cdn of nix-cache-cdn was changed: ttl",
    }
    assert in_one_order(after) == in_one_order(damaged)


@pytest.mark.parametrize("done", DAMAGES.values(), ids=DAMAGES)
def test_a_refreshed_up_puts_back_what_was_changed_outside(
    drifting: Project, spaces: SpacesService, root: "S3Client", done: tuple[Damage, ...]
) -> None:
    """All of it, and nothing else: plain clients see the cache as it was, and its keys stay."""
    before, keys = seen(spaces, root), drifting.outputs()["publicKeys"]
    assert None not in before.values()
    for damage in done:
        unharmed = seen(spaces, root)
        damage(spaces, root)
        assert seen(spaces, root) != unharmed, f"{damage} did no damage"

    drifting.up("--refresh")

    assert seen(spaces, root) == before
    assert drifting.outputs()["publicKeys"] == keys
    root.put_object(Bucket=BUCKET, Key=NAR, Body=b"pushed meanwhile")


def _or_none(question: Callable[[], Any]) -> Any:
    try:
        return question()
    except ClientError:
        return None
