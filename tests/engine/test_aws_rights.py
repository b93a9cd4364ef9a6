"""The AWS of the tests gives and refuses rights as the real one does.

It needs no engine. Without it, the tests of rights on AWS would show nothing.
"""

import json
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.fakes import aws_server as aws
from tests.fakes.aws_server import AwsServer, Credential
from tests.fakes.github_token import ISSUER, token

pytestmark = pytest.mark.aws

BUCKET = "the-cache"
READ = {
    "Effect": "Allow",
    "Principal": "*",
    "Action": "s3:GetObject",
    "Resource": f"arn:aws:s3:::{BUCKET}/*",
}
ENCRYPTED = {
    "Effect": "Deny",
    "Principal": {"AWS": "*"},
    "Action": "s3:*",
    "Resource": [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"],
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}


def document(*statements: dict[str, Any]) -> str:
    """Return a policy document."""
    return json.dumps({"Version": "2012-10-17", "Statement": [*statements]})


def refused(call: Callable[..., Any], **arguments: Any) -> str:
    """Return the code of the error that a call ends with."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    return caught.value.response["Error"]["Code"]


@pytest.fixture(scope="module")
def owner(aws_server: AwsServer) -> Any:
    """Provide the owner's S3 client; a bucket with one object, with anonymous reads over TLS."""
    s3 = aws_server.client("s3", aws_server.administrator)
    s3.create_bucket(Bucket=BUCKET)
    s3.put_public_access_block(
        Bucket=BUCKET, PublicAccessBlockConfiguration={"BlockPublicPolicy": False}
    )
    s3.put_bucket_policy(Bucket=BUCKET, Policy=document(READ, ENCRYPTED))
    s3.put_object(Bucket=BUCKET, Key="nar/a", Body=b"nar")
    return s3


@pytest.fixture(scope="module")
def writer(aws_server: AwsServer, owner: Any) -> Credential:
    """Provide a user who may get and put NARs."""
    iam = aws_server.client("iam", aws_server.administrator)
    iam.create_user(UserName="writer")
    allowed = {
        "Effect": "Allow",
        "Action": ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"],
        "Resource": f"arn:aws:s3:::{BUCKET}/nar/*",
    }
    iam.put_user_policy(UserName="writer", PolicyName="write", PolicyDocument=document(allowed))
    key = iam.create_access_key(UserName="writer")["AccessKey"]
    return Credential(key["AccessKeyId"], key["SecretAccessKey"])


def test_anonymous_requests_can_do_what_the_bucket_policy_allows_and_no_more(
    aws_server: AwsServer, owner: Any
) -> None:
    """The denial of plain HTTP denies nothing over TLS; who may not list learns of no absence."""
    anonymous = aws_server.client("s3")

    assert anonymous.get_object(Bucket=BUCKET, Key="nar/a")["Body"].read() == b"nar"
    anonymous.head_object(Bucket=BUCKET, Key="nar/a")
    assert refused(anonymous.get_object, Bucket=BUCKET, Key="nar/b") == "AccessDenied"
    assert refused(anonymous.list_objects_v2, Bucket=BUCKET) == "AccessDenied"
    assert refused(anonymous.put_object, Bucket=BUCKET, Key="nar/a", Body=b"x") == "AccessDenied"
    assert refused(anonymous.delete_object, Bucket=BUCKET, Key="nar/a") == "AccessDenied"
    assert refused(anonymous.get_bucket_policy, Bucket=BUCKET) == "AccessDenied"


def test_a_user_may_do_what_the_own_policy_allows_and_no_more(
    aws_server: AwsServer, writer: Credential
) -> None:
    """By action and by resource."""
    s3 = aws_server.client("s3", writer)

    s3.put_object(Bucket=BUCKET, Key="nar/b", Body=b"nar")
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="nar/c")["UploadId"]
    s3.abort_multipart_upload(Bucket=BUCKET, Key="nar/c", UploadId=upload)
    assert refused(s3.put_object, Bucket=BUCKET, Key="nix-cache-info") == "AccessDenied"
    assert refused(s3.get_object, Bucket=BUCKET, Key="nar/missing") == "AccessDenied"
    assert refused(s3.list_objects_v2, Bucket=BUCKET) == "AccessDenied"
    assert refused(s3.delete_object, Bucket=BUCKET, Key="nar/b") == "AccessDenied"
    iam = aws_server.client("iam", writer)
    assert refused(iam.create_user, UserName="another") == "AccessDenied"


def test_a_wrong_secret_is_refused(aws_server: AwsServer, writer: Credential) -> None:
    """Signatures are checked."""
    forged = aws_server.client("s3", Credential(writer.access_key_id, "not the secret"))
    assert refused(forged.get_object, Bucket=BUCKET, Key="nar/a") == "SignatureDoesNotMatch"


def test_a_request_that_names_a_thing_by_its_path_is_signed_well(aws_server: AwsServer) -> None:
    """As those of CloudFront are."""
    control = {
        "Name": "cache",
        "OriginAccessControlOriginType": "s3",
        "SigningBehavior": "always",
        "SigningProtocol": "sigv4",
    }
    cloudfront = aws_server.client("cloudfront", aws_server.administrator)
    made = cloudfront.create_origin_access_control(OriginAccessControlConfig=control)
    found = cloudfront.get_origin_access_control(Id=made["OriginAccessControl"]["Id"])
    assert found["OriginAccessControl"]["OriginAccessControlConfig"]["Name"] == "cache"


def test_a_new_bucket_takes_no_public_policy(aws_server: AwsServer, owner: Any) -> None:
    """Until its public access block is opened; closed again, the policy has no effect."""
    closed = {"BlockPublicPolicy": True, "RestrictPublicBuckets": True}
    owner.create_bucket(Bucket="closed")
    policy = document({**READ, "Resource": "arn:aws:s3:::closed/*"})

    assert refused(owner.put_bucket_policy, Bucket="closed", Policy=policy) == "AccessDenied"

    owner.delete_public_access_block(Bucket="closed")
    owner.put_bucket_policy(Bucket="closed", Policy=policy)
    owner.put_object(Bucket="closed", Key="a", Body=b"a")
    aws_server.client("s3").get_object(Bucket="closed", Key="a")
    owner.put_public_access_block(Bucket="closed", PublicAccessBlockConfiguration=closed)
    anonymous = aws_server.client("s3")
    assert refused(anonymous.get_object, Bucket="closed", Key="a") == "AccessDenied"


def test_a_bucket_keeps_the_tags_it_is_created_with(aws_server: AwsServer, owner: Any) -> None:
    """The AWS plugin relies on it."""
    owner.create_bucket(
        Bucket="tagged", CreateBucketConfiguration={"Tags": [{"Key": "of", "Value": "a team"}]}
    )
    assert owner.get_bucket_tagging(Bucket="tagged")["TagSet"] == [{"Key": "of", "Value": "a team"}]


def test_a_role_is_given_to_whom_its_trust_names(aws_server: AwsServer, owner: Any) -> None:
    """And may then do what its policy allows, also of secrets by their names."""
    iam = aws_server.client("iam", aws_server.administrator)
    secrets = aws_server.client("secretsmanager", aws_server.administrator)
    secret = secrets.create_secret(Name="signing-key", SecretString="key")["ARN"]
    secrets.create_secret(Name="another", SecretString="key")
    provider = iam.create_open_id_connect_provider(
        Url=f"https://{ISSUER}", ClientIDList=["sts.amazonaws.com"]
    )["OpenIDConnectProviderArn"]
    trust = {
        "Effect": "Allow",
        "Principal": {"Federated": provider},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {f"{ISSUER}:sub": "repo:o/r:ref:refs/heads/main"}},
    }
    role = iam.create_role(RoleName="ci", AssumeRolePolicyDocument=document(trust))["Role"]["Arn"]
    allowed = {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": secret}
    iam.put_role_policy(RoleName="ci", PolicyName="key", PolicyDocument=document(allowed))
    assume = aws_server.client("sts").assume_role_with_web_identity
    session = {"RoleArn": role, "RoleSessionName": "job"}

    for wrong in (
        token("repo:o/r:ref:refs/heads/other"),
        token("repo:o/r:ref:refs/heads/main", audience="other"),
    ):
        assert refused(assume, WebIdentityToken=wrong, **session) == "AccessDenied"

    given = assume(WebIdentityToken=token("repo:o/r:ref:refs/heads/main"), **session)
    key = given["Credentials"]
    job = Credential(key["AccessKeyId"], key["SecretAccessKey"], key["SessionToken"])
    client = aws_server.client("secretsmanager", job)
    assert client.get_secret_value(SecretId="signing-key")["SecretString"] == "key"
    refused(client.get_secret_value, SecretId="another")
    s3 = aws_server.client("s3", job)
    assert refused(s3.put_object, Bucket=BUCKET, Key="nar/d", Body=b"d") == "AccessDenied"


def test_the_server_ends_with_its_fixture(tmp_path: Path) -> None:
    """Nothing answers afterwards."""
    with aws.running(tmp_path) as server:
        url = server.url
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(url, timeout=5)
