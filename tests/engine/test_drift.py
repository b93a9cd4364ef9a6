"""Drift: whatever was changed or deleted outside, `make repair` puts back, as plain clients see.

Only this module repairs each kind of resource on MinIO. What is reported of a change is shown in
`test_drift_reported.py`, and what no refresh sees in `test_drift_repaired.py`.
"""

import functools
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from minio.error import MinioAdminException

from tests.engine import damages
from tests.engine.clone import Clone, admin_client, cloned, in_one_order
from tests.engine.damages import BUCKET, OWN, POLICY, WRITER
from tests.engine.s3 import s3_client
from tools import engine as toolchain_engine

pytestmark = pytest.mark.faults

NAR = "nar/0000000000000000000000000000000000000000000000000000.nar.zst"


DAMAGES: dict[str, tuple[damages.Damage, ...]] = {
    "all deleted that nothing depends on": (
        damages.close_bucket,
        damages.delete_own,
        damages.expire_nothing,
        damages.detach_policy,
    ),
    "all changed that nothing depends on": (
        damages.open_bucket,
        damages.overwrite_own,
        damages.expire_everything,
        damages.exchange_policy,
        damages.widen_policy,
    ),
    "a further policy attached": (damages.attach_policy,),
    "policy deleted": (damages.delete_policy,),
    "user and policy deleted": (damages.delete_user_and_policy,),
    "user disabled": (damages.disable_user,),
    "user with another secret": (damages.change_secret,),
}
"""What is done before one repair. Together are only changes of separate resources, so that none
is mended along with another."""


@pytest.fixture(scope="module")
def clone(
    tmp_path_factory: pytest.TempPathFactory, engine: toolchain_engine.Engine
) -> Iterator[Clone]:
    """Provide a cache with a lifecycle, and a NAR that a user pushed."""
    with cloned(tmp_path_factory.mktemp("drift") / "clone", engine) as made:
        made.configure(expireAfterDays=90)
        made.dev("up")
        made.root.put_object(Bucket=BUCKET, Key=NAR, Body=b"pushed before the drift")
        yield made
        made.assert_unchanged_by_up()


def _rules(clone: Clone) -> list[tuple[str, str, int]]:
    rules = clone.root.get_bucket_lifecycle_configuration(Bucket=BUCKET)["Rules"]
    return sorted(
        (rule["ID"], rule.get("Filter", {}).get("Prefix", ""), rule["Expiration"]["Days"])
        for rule in rules
    )


def _object(clone: Clone, key: str) -> tuple[bytes, str]:
    answer = clone.root.get_object(Bucket=BUCKET, Key=key)
    return answer["Body"].read(), answer["ContentType"]


def _user(clone: Clone) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(admin_client(clone.connection).user_info(WRITER))
    return {key: found.get(key) for key in ("policyName", "status")}


def _or_none(question: Callable[[], Any]) -> Any:
    try:
        return question()
    except (ClientError, MinioAdminException):
        return None


def seen(clone: Clone) -> dict[str, Any]:
    """Return the whole cache as plain clients see it. What is not there is None."""
    questions: dict[str, Callable[[], Any]] = {
        "bucket policy": lambda: in_one_order(
            json.loads(clone.root.get_bucket_policy(Bucket=BUCKET)["Policy"])
        ),
        "lifecycle": lambda: _rules(clone),
        **{key: functools.partial(_object, clone, key) for key in (*OWN, NAR)},
        "policy": lambda: in_one_order(
            json.loads(admin_client(clone.connection).policy_info(POLICY))
        ),
        "user": lambda: _user(clone),
        "the writer can push": lambda: _push(clone),
    }
    return {name: _or_none(question) for name, question in questions.items()}


def _push(clone: Clone) -> bool:
    """Push with the credential that the stack gives out."""
    credential = clone.outputs()["credentials"][WRITER]
    writer = s3_client(
        clone.connection.url, credential["accessKeyId"], credential["secretAccessKey"]
    )
    writer.put_object(Bucket=BUCKET, Key="log/pushed", Body=b"by the writer")
    return True


@pytest.mark.parametrize("done", DAMAGES.values(), ids=DAMAGES)
def test_repair_puts_back_what_was_changed_outside(
    clone: Clone, done: tuple[damages.Damage, ...]
) -> None:
    """All of it, and nothing else: plain clients see the cache as it was, and its keys stay."""
    before, keys = seen(clone), clone.outputs()["signingKeys"]
    assert None not in before.values()
    for damage in done:
        unharmed = seen(clone)
        damage(clone)
        assert seen(clone) != unharmed, f"{damage} did no damage"

    clone.dev("repair")

    assert seen(clone) == before
    assert clone.outputs()["signingKeys"] == keys


def test_repair_makes_a_deleted_bucket_again(clone: Clone) -> None:
    """Its objects are lost; all that the stack declares is there again, and the keys stay."""
    before, keys = seen(clone), clone.outputs()["signingKeys"]
    damages.delete_bucket(clone)

    output = clone.dev("repair")

    assert f"the bucket {BUCKET} was deleted" in output
    assert seen(clone) == {**before, NAR: None}
    assert clone.outputs()["signingKeys"] == keys
    clone.assert_unchanged_by_up()
    clone.root.put_object(Bucket=BUCKET, Key=NAR, Body=b"pushed before the drift")


def test_repair_makes_a_deleted_user_again_and_says_that_the_secret_is_new(clone: Clone) -> None:
    """The old one stays void, so a user has to hand out the new one."""
    before, keys = seen(clone), clone.outputs()["signingKeys"]
    old = clone.outputs()["credentials"][WRITER]
    damages.delete_user(clone)

    output = clone.dev("repair")

    assert f"the user {WRITER} was deleted" in output
    assert clone.outputs()["credentials"][WRITER]["secretAccessKey"] != old["secretAccessKey"]
    stale = s3_client(clone.connection.url, old["accessKeyId"], old["secretAccessKey"])
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        stale.put_object(Bucket=BUCKET, Key="log/stale", Body=b"by the old secret")
    assert seen(clone) == before
    assert clone.outputs()["signingKeys"] == keys
    clone.assert_unchanged_by_up()
