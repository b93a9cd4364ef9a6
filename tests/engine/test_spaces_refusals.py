"""What stands in the way on Spaces is reported in one line, before anything is made.

Only this module asks for each obstacle by the requests that the account and the bucket answer.
"""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from nix_cache.iam.access import anonymous_read_policy
from tests.engine.clone import assert_plain_error
from tests.engine.ports import ReservedPort
from tests.engine.project import STACK, Project
from tests.engine.spaces_project import (
    BUCKET,
    cache,
    root,
    spaces,
    spaces_engine,
    spaces_server,
    spaces_venv,
)
from tests.fakes.spaces_buckets import FOREIGN
from tests.fakes.spaces_service import SpacesService

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["cache", "root", "spaces", "spaces_engine", "spaces_server", "spaces_venv"]

pytestmark = pytest.mark.faults

CLOSED = ReservedPort()
"""A port on which connections are refused."""

Obstacle = Callable[[Project, SpacesService, "S3Client"], object]


def _bucket_exists(_: Project, __: SpacesService, root: "S3Client") -> None:
    root.create_bucket(Bucket=BUCKET)
    root.put_object(Bucket=BUCKET, Key="theirs", Body=b"somebody's")


def _limited_key(cache: Project, spaces: SpacesService, _: "S3Client") -> None:
    cache.set(public=True)
    spaces.keys.add("of a colleague", [{"bucket": BUCKET, "permission": "read"}])


def _bucket_with_a_policy(cache: Project, _: SpacesService, root: "S3Client") -> None:
    cache.set(adopt=True)
    root.create_bucket(Bucket=BUCKET)
    policy = json.dumps(anonymous_read_policy(BUCKET))
    root.put_bucket_policy(Bucket=BUCKET, Policy=policy)


def _configured(**settings: str) -> Obstacle:
    values = {f"digitalocean:{name}": value for name, value in settings.items()}
    return lambda cache, *_: cache.config.update(values)


OBSTACLES: dict[str, tuple[Obstacle, str]] = {
    "the bucket exists": (_bucket_exists, f"the bucket '{BUCKET}' exists already in the region"),
    "the bucket is another account's": (
        lambda cache, *_: cache.set(bucket=FOREIGN),
        f"may not see the bucket '{FOREIGN}'",
    ),
    "a key is limited to the bucket": (
        _limited_key,
        "cannot be public while keys are limited to it (of a colleague), as Spaces takes",
    ),
    "the bucket has a policy": (
        _bucket_with_a_policy,
        "while it has a policy: remove the policy",
    ),
    "the token is wrong": (_configured(token="dop_v1_wrong"), "refuses the token (401); set"),
    "the key is wrong": (_configured(spacesAccessId="DO00WRONG"), "refuses the key 'DO00WRONG'"),
    "the secret is wrong": (_configured(spacesSecretKey="wrong"), "(SignatureDoesNotMatch)"),
    "the API is down": (_configured(apiEndpoint=f"http://{CLOSED.netloc}"), "does not answer"),
}


@pytest.mark.parametrize(("obstacle", "reported"), OBSTACLES.values(), ids=OBSTACLES)
def test_an_obstacle_is_reported_by_the_preview(
    cache: Project, spaces: SpacesService, root: "S3Client", obstacle: Obstacle, reported: str
) -> None:
    """Once, in words, with a fix."""
    obstacle(cache, spaces, root)

    refused = cache.run("preview", "--stack", STACK)

    for key in spaces.keys.all():
        spaces.keys.remove(key)
    if BUCKET in [bucket["Name"] for bucket in root.list_buckets()["Buckets"]]:
        root.delete_object(Bucket=BUCKET, Key="theirs")
        root.delete_bucket(Bucket=BUCKET)
    assert refused.exit_code != 0
    assert_plain_error(refused.output)
    diagnostics = refused.output.partition("Diagnostics:")[2]
    assert diagnostics.count(reported) == 1, refused.output
    assert "Nothing was changed" in diagnostics
