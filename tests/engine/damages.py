"""What a user with the administrator's credential may do to a cache, past the stack."""

import json
from collections.abc import Callable
from typing import Any

from minio import minioadmin
from minio.crypto import encrypt

from tests.engine.clone import Clone, admin_client

BUCKET = "nix-cache"
WRITER = "nixbuilder"
POLICY = "nix-cache-write"
OWN = ("nix-cache-info", "index.html", "nix-cache.json")
"""The cache's metadata."""


Damage = Callable[[Clone], None]


def document(*actions: str, bucket: str = BUCKET, **more: Any) -> dict[str, Any]:
    """Return a policy document that allows something on everything of the bucket."""
    resources = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": resources, **more}
    return {"Version": "2012-10-17", "Statement": [statement]}


def open_bucket(clone: Clone) -> None:
    """Allow anonymous listing."""
    opened = document("s3:GetObject", "s3:ListBucket", Principal={"AWS": ["*"]})
    clone.root.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(opened))


def close_bucket(clone: Clone) -> None:
    """Let no user read."""
    clone.root.delete_bucket_policy(Bucket=BUCKET)


def delete_own(clone: Clone) -> None:
    """Delete the cache's metadata."""
    for key in OWN:
        clone.root.delete_object(Bucket=BUCKET, Key=key)


def overwrite_own(clone: Clone) -> None:
    """Let the cache say something else of itself."""
    for key in OWN:
        clone.root.put_object(Bucket=BUCKET, Key=key, Body=b"of another user\n")


def lower_priority(clone: Clone) -> None:
    """Let it be asked before others."""
    info = b"StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 10\n"
    clone.root.put_object(
        Bucket=BUCKET, Key="nix-cache-info", Body=info, ContentType="text/x-nix-cache-info"
    )


def expire_everything(clone: Clone) -> None:
    """Set the rule of the usual guides, over the whole bucket."""
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


def expire_nothing(clone: Clone) -> None:
    """Delete the lifecycle."""
    clone.root.delete_bucket_lifecycle(Bucket=BUCKET)


def set_quota(clone: Clone) -> None:
    """Let the bucket hold a megabyte."""
    admin_client(clone.connection).bucket_quota_set(BUCKET, 1_000_000)


def delete_bucket(clone: Clone) -> None:
    """Delete the bucket and all that is in it."""
    for entry in clone.root.list_objects_v2(Bucket=BUCKET)["Contents"]:
        clone.root.delete_object(Bucket=BUCKET, Key=entry["Key"])
    clone.root.delete_bucket(Bucket=BUCKET)


def detach_policy(clone: Clone) -> None:
    """Take the writer's policy away."""
    admin_client(clone.connection).policy_unset(POLICY, user=WRITER)


def exchange_policy(clone: Clone) -> None:
    """Give the writer another one instead."""
    admin_client(clone.connection).policy_set("readwrite", user=WRITER)


def attach_policy(clone: Clone) -> None:
    """Give the writer a further one."""
    admin_client(clone.connection).attach_policy(["readwrite"], user=WRITER)


def widen_policy(clone: Clone) -> None:
    """Let writers do everything in the bucket."""
    admin_client(clone.connection).policy_add(POLICY, policy=document("s3:*"))


def delete_policy(clone: Clone) -> None:
    """Detach the policy and delete it: MinIO does not delete a policy in use."""
    detach_policy(clone)
    admin_client(clone.connection).policy_remove(POLICY)


def delete_user(clone: Clone) -> None:
    """Delete the writer."""
    admin_client(clone.connection).user_remove(WRITER)


def delete_user_and_policy(clone: Clone) -> None:
    """Delete the writer and what they may do."""
    delete_user(clone)
    admin_client(clone.connection).policy_remove(POLICY)


def disable_user(clone: Clone) -> None:
    """Let the writer log in no more."""
    admin_client(clone.connection).user_disable(WRITER)


def change_secret(clone: Clone) -> None:
    """Give the writer another secret."""
    admin_client(clone.connection).user_add(WRITER, "set-by-somebody-else")


def join_group(clone: Clone) -> None:
    """Put the writer into a group that may do everything."""
    administrator = admin_client(clone.connection)
    members: Any = [WRITER]  # its type says text, and its body is a list
    administrator.group_add("admins", members)
    administrator.policy_set("consoleAdmin", group="admins")


def make_access_key(clone: Clone) -> None:
    """Make a key pair that acts in the writer's name."""
    root = clone.connection
    content = {"targetUser": WRITER, "accessKey": "of-a-user", "secretKey": "of-another-user"}
    admin_client(root)._url_open(
        method="PUT",
        command=minioadmin._COMMAND.SERVICE_ACCOUNT_ADD,
        body=encrypt(json.dumps(content).encode(), root.password),
        preload_content=False,
    )
