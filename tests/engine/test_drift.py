"""Drift: whatever was changed or deleted outside, `make repair` puts back, as plain clients see."""

import functools
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from minio.error import MinioAdminException

from tests.engine.clone import Clone, admin_client, cloned, in_one_order
from tests.engine.s3 import s3_client
from toolchain import engine as toolchain_engine

BUCKET = "nix-cache"
WRITER = "nixbuilder"
POLICY = "nix-cache-write"
OWN = ("nix-cache-info", "index.html", "nix-cache.json")
"""What the cache says of itself."""

NAR = "nar/0000000000000000000000000000000000000000000000000000.nar.zst"

Damage = Callable[[Clone], object]


def _open_bucket(clone: Clone) -> None:
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": ["*"]},
        "Action": ["s3:GetObject", "s3:ListBucket"],
        "Resource": [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"],
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    clone.root.put_bucket_policy(Bucket=BUCKET, Policy=document)


def _delete_own(clone: Clone) -> None:
    for key in OWN:
        clone.root.delete_object(Bucket=BUCKET, Key=key)


def _overwrite_own(clone: Clone) -> None:
    for key in OWN:
        clone.root.put_object(Bucket=BUCKET, Key=key, Body=b"of somebody else\n")


def _expire_the_whole_bucket(clone: Clone) -> None:
    clone.root.put_bucket_lifecycle_configuration(
        Bucket=BUCKET,
        LifecycleConfiguration={
            "Rules": [
                {
                    "ID": "everything",
                    "Status": "Enabled",
                    "Filter": {"Prefix": ""},
                    "Expiration": {"Days": 7},
                }
            ]
        },
    )


def _widen_policy(clone: Clone) -> None:
    statement = {"Effect": "Allow", "Action": ["s3:*"], "Resource": ["arn:aws:s3:::*"]}
    admin_client(clone.connection).policy_add(
        POLICY, policy={"Version": "2012-10-17", "Statement": [statement]}
    )


def _delete_policy(clone: Clone) -> None:
    """A policy in use cannot be deleted, so its attachment goes first, as an administrator does."""
    admin_client(clone.connection).policy_unset(POLICY, user=WRITER)
    admin_client(clone.connection).policy_remove(POLICY)


def _delete_user_and_policy(clone: Clone) -> None:
    admin_client(clone.connection).user_remove(WRITER)
    admin_client(clone.connection).policy_remove(POLICY)


def _delete_bucket_policy(clone: Clone) -> None:
    clone.root.delete_bucket_policy(Bucket=BUCKET)


def _delete_lifecycle(clone: Clone) -> None:
    clone.root.delete_bucket_lifecycle(Bucket=BUCKET)


def _delete_attachment(clone: Clone) -> None:
    admin_client(clone.connection).policy_unset(POLICY, user=WRITER)


def _replace_attachment(clone: Clone) -> None:
    admin_client(clone.connection).policy_set("readwrite", user=WRITER)


def _attach_further_policy(clone: Clone) -> None:
    admin_client(clone.connection).attach_policy(["readwrite"], user=WRITER)


def _disable_user(clone: Clone) -> None:
    admin_client(clone.connection).user_disable(WRITER)


def _change_secret(clone: Clone) -> None:
    admin_client(clone.connection).user_add(WRITER, "set-by-somebody-else")


DAMAGES: dict[str, tuple[Damage, ...]] = {
    "all deleted that nothing depends on": (
        _delete_bucket_policy,
        _delete_own,
        _delete_lifecycle,
        _delete_attachment,
    ),
    "all changed that nothing depends on": (
        _open_bucket,
        _overwrite_own,
        _expire_the_whole_bucket,
        _replace_attachment,
        _widen_policy,
    ),
    "a further policy attached": (_attach_further_policy,),
    "policy deleted": (_delete_policy,),
    "user and policy deleted": (_delete_user_and_policy,),
    "user disabled": (_disable_user,),
    "user with another secret": (_change_secret,),
}
"""What is done before one repair. Together are only what lies in resources of its own, so that none
is mended along with another."""


@pytest.fixture(scope="module")
def clone(
    tmp_path_factory: pytest.TempPathFactory, engine: toolchain_engine.Engine
) -> Iterator[Clone]:
    """A cache with a lifecycle, and a NAR that somebody pushed."""
    with cloned(tmp_path_factory.mktemp("drift") / "clone", engine) as made:
        made.configure(expireAfterDays=90)
        made.dev("up")
        made.root.put_object(Bucket=BUCKET, Key=NAR, Body=b"pushed before the drift")
        yield made


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
    """The whole cache as plain clients see it. What is not there is None."""
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


@pytest.mark.parametrize("damages", DAMAGES.values(), ids=DAMAGES)
def test_repair_puts_back_what_was_changed_outside(
    clone: Clone, damages: tuple[Damage, ...]
) -> None:
    """All of it, and nothing else: plain clients see the cache as it was, and its keys stay."""
    before, keys = seen(clone), clone.outputs()["signingKeys"]
    assert None not in before.values()
    for damage in damages:
        unharmed = seen(clone)
        damage(clone)
        assert seen(clone) != unharmed, f"{damage} did no damage"

    clone.dev("repair")

    assert seen(clone) == before
    assert clone.outputs()["signingKeys"] == keys
    clone.assert_unchanged_by_up()


def test_repair_makes_a_deleted_bucket_anew(clone: Clone) -> None:
    """Its objects are lost; all that the stack declares is there again, and the keys stay."""
    before, keys = seen(clone), clone.outputs()["signingKeys"]
    for entry in clone.root.list_objects_v2(Bucket=BUCKET)["Contents"]:
        clone.root.delete_object(Bucket=BUCKET, Key=entry["Key"])
    clone.root.delete_bucket(Bucket=BUCKET)

    output = clone.dev("repair")

    assert f"the bucket {BUCKET} was deleted" in output
    assert seen(clone) == {**before, NAR: None}
    assert clone.outputs()["signingKeys"] == keys
    clone.assert_unchanged_by_up()
    clone.root.put_object(Bucket=BUCKET, Key=NAR, Body=b"pushed before the drift")


def test_repair_makes_a_deleted_user_anew_and_says_that_the_secret_is_new(clone: Clone) -> None:
    """The old one stays void, so somebody has to hand out the new one."""
    before, keys = seen(clone), clone.outputs()["signingKeys"]
    old = clone.outputs()["credentials"][WRITER]
    admin_client(clone.connection).user_remove(WRITER)

    output = clone.dev("repair")

    assert f"the user {WRITER} was deleted" in output
    assert clone.outputs()["credentials"][WRITER]["secretAccessKey"] != old["secretAccessKey"]
    stale = s3_client(clone.connection.url, old["accessKeyId"], old["secretAccessKey"])
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        stale.put_object(Bucket=BUCKET, Key="log/stale", Body=b"by the old secret")
    assert seen(clone) == before
    assert clone.outputs()["signingKeys"] == keys
    clone.assert_unchanged_by_up()
