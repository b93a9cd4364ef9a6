"""The way out of what a refresh cannot mend: what is gone, and what somebody did to users.

Over a bucket, a user or a policy that is gone the provider fails every refresh. It does not see
that a user was disabled, or has another secret, or further policies. So further policies are
detached, and the rest is taken out of the state; then the engine makes it anew, users with a new
secret.
"""

from collections.abc import Iterator

from dev.stack import Stack
from nix_cache.storage.minio_connection import Kind
from nix_cache.storage.minio_server import MinioServer

_ATTACHMENT = "minio:index/iamUserPolicyAttachment:IamUserPolicyAttachment"
_CLAIM = "pulumi-python:dynamic/nix-cache:NameClaim"
_BEARERS = {
    "minio:index/s3Bucket:S3Bucket": Kind.BUCKET,
    "minio:index/iamUser:IamUser": Kind.USER,
    "minio:index/iamPolicy:IamPolicy": Kind.POLICY,
}


def is_half_made(stack: Stack) -> bool:
    """Whether an interrupted run left something of which only a refresh tells what became of it.

    Without one, the provider tries to update it, which it cannot do with every kind.
    """
    return any(resource.get("initErrors") for resource in stack.resources())


def mend(stack: Stack, server: MinioServer) -> Iterator[str]:
    """Do what a refresh cannot, so that it and what follows it mend the rest.

    Args:
        stack: the stack whose state is meant.
        server: asked about everything that has a name before anything is done.

    Yields:
        what was done, one sentence each.

    Raises:
        MinioServerError: the server does not answer.
    """
    if bucket := remove_half_made_bucket(stack, server):
        yield f"the bucket {bucket}, which an interrupted run left empty, will be made anew"
    credentials = stack.outputs(secrets=True).get("credentials", {}).values()
    # The secret of a user who was adopted is not known.
    secrets = {
        pair["accessKeyId"]: pair["secretAccessKey"]
        for pair in credentials
        if pair["secretAccessKey"]
    }
    resources = stack.resources()
    lost: dict[str, str] = {}
    added: list[tuple[str, str]] = []
    for resource in resources:
        kind = _BEARERS.get(resource["type"])
        if kind is None:
            continue
        name = resource["id"]
        if not server.has(kind, name):
            lost[resource["urn"]] = f"the {kind} {name} is gone from the server"
        elif kind is Kind.USER:
            if (secret := secrets.get(name)) and not server.accepts(name, secret):
                lost[resource["urn"]] = f"the user {name} was disabled or given another secret"
            added += ((policy, name) for policy in server.policies_of(name))
    meant = {
        (resource["outputs"]["policyName"], resource["outputs"]["userName"])
        for resource in resources
        if resource["type"] == _ATTACHMENT
    }
    for policy, user in sorted({*added} - meant):
        server.detach(policy, user)
        yield f"the user {user} had got the policy {policy}, which was taken away again"
    for urn, loss in lost.items():
        stack.forget(urn)
        yield f"{loss} and will be made anew"


def remove_half_made_bucket(stack: Stack, server: MinioServer) -> str:
    """Remove the bucket that an interrupted run made but did not note in the state.

    Only a bucket that the stack has claimed, and that is empty, is removed; the engine refuses to
    make it while it is there.

    Args:
        stack: the stack whose state is meant.
        server: the server that may have such a bucket.

    Returns:
        the bucket's name, or nothing if there was none.
    """
    resources = stack.resources()
    known = {r["id"] for r in resources if _BEARERS.get(r["type"]) is Kind.BUCKET}
    claimed = {
        r["outputs"]["name"]
        for r in resources
        if r["type"] == _CLAIM and r["outputs"]["kind"] == Kind.BUCKET
    }
    for bucket in claimed - known:
        if server.remove_empty_bucket(bucket):
            return str(bucket)
    return ""
