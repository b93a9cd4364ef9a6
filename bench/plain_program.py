"""What `bench.growth` compares with: a cache's resources, declared one by one."""

import json

import pulumi
import pulumi_minio as minio

from nix_cache.dynamic.signing_key import SigningKey
from nix_cache.formats.cache_info import nix_cache_info
from nix_cache.iam.access import (
    Privilege,
    anonymous_read_policy,
    policy_for,
    without_administration,
)

BUCKET = "nix-cache"

config = pulumi.Config()
bucket = minio.S3Bucket("bucket", bucket=BUCKET, acl="private", force_destroy=True)
minio.S3BucketPolicy("read", bucket=bucket.bucket, policy=json.dumps(anonymous_read_policy(BUCKET)))
write = minio.IamPolicy(
    "write",
    name="nix-cache-write",
    policy=json.dumps(without_administration(policy_for(Privilege.WRITE, BUCKET))),
)
signing_keys, credentials = {}, {}
for writer in config.require_object("writers"):
    user = minio.IamUser(writer, name=writer)
    minio.IamUserPolicyAttachment(f"{writer}-write", user_name=user.name, policy_name=write.name)
    key = SigningKey(f"{writer}-key", f"{config.require('domain')}-{writer}-1")
    signing_keys[writer] = key
    credentials[writer] = {"accessKeyId": user.name, "secretAccessKey": user.secret}
public_keys = pulumi.Output.all(*(key.public_key for key in signing_keys.values()))
texts: dict[str, pulumi.Input[str]] = {
    "nix-cache-info": nix_cache_info("/nix/store", True, 40),
    "nix-cache.json": public_keys.apply(json.dumps),
    "index.html": public_keys.apply("\n".join),
}
for name, text in texts.items():
    minio.S3Object(
        name,
        bucket_name=bucket.bucket,
        object_name=name,
        content=text,
        content_type="text/plain",
    )
pulumi.export("publicKeys", public_keys)
pulumi.export("signingKeys", {writer: key.secret_key for writer, key in signing_keys.items()})
pulumi.export("credentials", pulumi.Output.secret(credentials))
