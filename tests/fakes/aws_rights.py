"""Lets moto check what it leaves out: conditions, resources, anonymous requests, public access.

moto checks signatures and identity policies, but ignores conditions, knows no anonymous caller, and
stores the public access block without minding it. Documents are judged by `iam_evaluation`.
"""

import base64
import dataclasses
import json
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import flask
from moto.core.authorization import ActionAuthenticatorMixin
from moto.core.exceptions import AccessDeniedError
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.iam.access_control import (
    CreateAccessKeyFailure,
    IAMPolicy,
    IAMRequestBase,
    PermissionResult,
    create_access_key,
)
from moto.iam.exceptions import NotFoundException
from moto.iam.models import iam_backends
from moto.s3.exceptions import BucketAccessDeniedError, S3AccessDeniedError
from moto.s3.models import FakeBucket, PublicAccessBlock, S3Backend, s3_backends
from moto.s3.utils import bucket_policy_is_public
from moto.secretsmanager.responses import SecretsManagerResponse
from moto.ssm.responses import SimpleSystemManagerResponse

from tests.fakes.aws_gaps import replace
from tests.fakes.iam_evaluation import Decision, Principal, Request, decide

_RESULTS = {
    Decision.DENIED: PermissionResult.DENIED,
    Decision.ALLOWED: PermissionResult.PERMITTED,
    Decision.SILENT: PermissionResult.NEUTRAL,
}
_WEB_IDENTITY = "AssumeRoleWithWebIdentity"


def check_all() -> None:
    """Let this process's moto check all rights."""
    _take_no_parameters_for_a_body()
    _judge_documents()
    _check_s3()
    _block_public_access()
    _check_web_identity()
    _name_resources()


def _access_key() -> Any:
    """Return the key that a request is signed with; None without one or with an unknown one."""
    authorization = flask.request.headers.get("Authorization", "")
    key_id = authorization.partition("Credential=")[2].partition("/")[0]
    try:
        return create_access_key(DEFAULT_ACCOUNT_ID, "aws", key_id, dict(flask.request.headers))
    except CreateAccessKeyFailure:
        return None


def _caller() -> Principal | None:
    key = _access_key()
    return Principal("AWS", key.arn) if key else None


def _asked(action: str, resource: str | None) -> Request:
    secure = "true" if flask.request.is_secure else "false"
    return Request(action, resource, _caller(), {"aws:SecureTransport": secure})


def _take_no_parameters_for_a_body() -> None:
    """Moto checks the signature of a request without a body as if its path were one."""
    with_parameters = IAMRequestBase._create_aws_request

    def create(request: Any) -> Any:
        parameters = request._data
        if request._method != "POST":
            request._data = {}
        try:
            return with_parameters(request)
        finally:
            request._data = parameters

    replace(IAMRequestBase, "_create_aws_request", create)


def _judge_documents() -> None:
    def is_action_permitted(
        policy: Any,
        action: str,
        resource: str = "*",
        principal: str | None = None,
        values: dict[str, str] | None = None,
    ) -> PermissionResult:
        # moto gives a principal for a role's trust alone, which names no resource.
        asked = _asked(action, None if principal else resource)
        asked = dataclasses.replace(asked, context={**asked.context, **(values or {})})
        return _RESULTS[decide(policy._policy_json, asked)]

    replace(IAMPolicy, "is_action_permitted", is_action_permitted)


def _check_s3() -> None:
    by_identity = ActionAuthenticatorMixin._authenticate_and_authorize_s3_action

    def authorize(
        response: Any, bucket_name: str | None = None, key_name: str | None = None
    ) -> None:
        if _action(response) == "s3:DeleteObject" and key_name is None:
            # Several at once, which moto takes for a question about the bucket. Of these, AWS
            # refuses each that is not allowed; here all are refused then.
            for key, version in _deleted(response.body):
                response.data["Action"] = "DeleteObjectVersion" if version else "DeleteObject"
                authorize_one(response, bucket_name, key)
            return
        authorize_one(response, bucket_name, key_name)

    def authorize_one(response: Any, bucket_name: str | None, key_name: str | None) -> None:
        action = _action(response)
        bucket = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets.get(bucket_name or "")
        path = f"/{key_name}" if key_name else ""
        said = _said_by(bucket, _asked(action, f"arn:aws:s3:::{bucket_name}{path}"))
        if "Authorization" not in flask.request.headers:
            permitted = said is Decision.ALLOWED and not _restricted(bucket)
        else:
            permitted = said is not Decision.DENIED
            by_identity(response, bucket_name, key_name)
        missing = bucket is not None and key_name is not None and key_name not in bucket.keys
        # Without the right to list, a missing object looks forbidden.
        if permitted and action == "s3:GetObject" and missing:
            permitted = _may_list(bucket_name, bucket)
        if not permitted:
            raise BucketAccessDeniedError(bucket_name) if bucket_name else S3AccessDeniedError

    replace(ActionAuthenticatorMixin, "_authenticate_and_authorize_s3_action", authorize)
    # moto's own look at bucket policies comes first, and takes a HEAD for another right than a GET.
    replace(FakeBucket, "get_permission", lambda *_: PermissionResult.PERMITTED)


def _action(response: Any) -> str:
    asked = response._get_action()
    return f"s3:{asked[0] if isinstance(asked, list) else asked}"


def _deleted(body: bytes) -> Iterator[tuple[str, str]]:
    """Yield the keys and versions that a request to delete several objects names."""
    for one in ElementTree.fromstring(body).iterfind("{*}Object"):
        yield one.findtext("{*}Key", ""), one.findtext("{*}VersionId", "")


def _said_by(bucket: FakeBucket | None, request: Request) -> Decision:
    if bucket is None or bucket.policy is None:
        return Decision.SILENT
    return decide(json.loads(bucket.policy), request)


def _may_list(bucket_name: str | None, bucket: FakeBucket | None) -> bool:
    request = _asked("s3:ListBucket", f"arn:aws:s3:::{bucket_name}")
    key = _access_key()
    said = (
        {decide(IAMPolicy(policy)._policy_json, request) for policy in key.collect_policies()}
        if key
        else set()
    )
    said.add(_said_by(bucket, request))
    return Decision.ALLOWED in said and Decision.DENIED not in said


def _restricted(bucket: FakeBucket | None) -> bool:
    if bucket is None or bucket.public_access_block is None:
        return False
    return bucket.public_access_block.restrict_public_buckets and bucket_policy_is_public(
        bucket.policy or b""
    )


def _block_public_access() -> None:
    """As AWS since April 2023: a new bucket is closed, and a closed one takes no public policy."""
    create_bucket, put_bucket_policy = S3Backend.create_bucket, S3Backend.put_bucket_policy

    def create(backend: Any, *arguments: Any, **options: Any) -> FakeBucket:
        bucket = create_bucket(backend, *arguments, **options)
        bucket.public_access_block = PublicAccessBlock(True, True, True, True)
        return bucket

    def put(backend: Any, bucket_name: str, policy: bytes) -> None:
        block = backend.get_bucket(bucket_name).public_access_block
        if block and block.block_public_policy and bucket_policy_is_public(policy):
            raise BucketAccessDeniedError(bucket=bucket_name)
        put_bucket_policy(backend, bucket_name, policy)

    replace(S3Backend, "create_bucket", create)
    replace(S3Backend, "put_bucket_policy", put)


def _check_web_identity() -> None:
    """Check that a role's trust policy names the token's subject, without its signature."""
    signed = ActionAuthenticatorMixin._authenticate_and_authorize_normal_action

    def authorize(response: Any, resource: str = "*") -> None:
        if response._get_action() != _WEB_IDENTITY:
            signed(response, resource)
            return
        role, token = response._get_param("RoleArn"), response._get_param("WebIdentityToken")
        if not _trusts(role, json.loads(_padded(token.split(".")[1]))):
            raise AccessDeniedError(user_arn="anybody", action=f"sts:{_WEB_IDENTITY}")

    replace(ActionAuthenticatorMixin, "_authenticate_and_authorize_normal_action", authorize)


def _trusts(role_arn: str, claims: dict[str, str]) -> bool:
    iam = iam_backends[DEFAULT_ACCOUNT_ID]["aws"]
    issuer = claims["iss"].removeprefix("https://")
    provider = f"arn:aws:iam::{DEFAULT_ACCOUNT_ID}:oidc-provider/{issuer}"
    known = iam.open_id_providers.get(provider)
    if known is None or claims["aud"] not in known.client_id_list:
        return False
    try:
        trust = json.loads(iam.get_role_by_arn(role_arn).assume_role_policy_document)
    except NotFoundException:
        return False
    context = {f"{issuer}:{name}": str(value) for name, value in claims.items()}
    request = Request(
        f"sts:{_WEB_IDENTITY}", principal=Principal("Federated", provider), context=context
    )
    return decide(trust, request) is Decision.ALLOWED


def _padded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _name_resources() -> None:
    """Moto asks for the right to `*`, also where an action is about one secret or parameter."""

    def secret(response: Any) -> str:
        name = response._get_param("SecretId")
        if not name or name.startswith("arn:"):
            return name or "*"
        return str(response.backend.describe_secret(name).arn)

    def parameter(response: Any) -> str:
        name = response._get_param("Name")
        where = f"arn:aws:ssm:{response.region}:{DEFAULT_ACCOUNT_ID}:parameter"
        return f"{where}/{name.removeprefix('/')}" if name else "*"

    replace(SecretsManagerResponse, "_determine_resource", secret)
    replace(SimpleSystemManagerResponse, "_determine_resource", parameter)
