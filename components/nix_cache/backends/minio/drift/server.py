"""A MinIO server looked at, and what is done on it about what the engine does not see."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from enum import Enum
from http import HTTPStatus
from typing import Any, cast

import urllib3
from minio.error import MinioAdminException, S3Error, ServerError
from minio.lifecycleconfig import Rule as ServerRule

from nix_cache.backends.drift import Act
from nix_cache.backends.minio.connection import NameKind
from nix_cache.backends.minio.drift import acts
from nix_cache.backends.minio.drift.declared import Declared, DeclaredBucket, DeclaredRule, User
from nix_cache.backends.minio.drift.seen import Seen, SeenBucket, SeenObject, SeenUser
from nix_cache.backends.minio.server import MinioServer

_MOST_CHARACTERS = 1_000_000
"""What is read of an object, which may have been replaced by anything."""


_REMOVALS = frozenset(acts.ActKind) - {acts.ActKind.ATTACH_POLICY, acts.ActKind.JOIN_GROUP}
_GONE = ("NoSuchUser", "NoSuchGroup", "NoSuchPolicy", "ServiceAccountNotFound", "AlreadyApplied")
"""What is in the codes by which a server refuses to remove what is not there."""


class _Further(Enum):
    """What the client of the administration API does not know yet."""

    REVOKE_TOKENS = "revoke-tokens/builtin"


class Administration(MinioServer):
    """A server as its administrator sees it. Each method raises what those of MinioServer do."""

    def look(self, declared: Declared) -> Seen:
        """Return what is there of all that a stack made. Nothing is written.

        Raises:
            MinioServerError: the server is down, busy, or refuses the administrator.
        """
        self.check_answers()
        return Seen(
            buckets={
                bucket.name: self._bucket(bucket)
                for bucket in declared.buckets
                if self.has(NameKind.BUCKET, bucket.name)
            },
            users={
                user.name: self._user(user)
                for user in declared.users
                if self.has(NameKind.USER, user.name)
            },
            policies={
                policy.name: self._policy(policy.name)
                for policy in declared.policies
                if self.has(NameKind.POLICY, policy.name)
            },
        )

    def do(self, act: Act) -> str:
        """Do one act; returns why it could not be done, or nothing.

        Raises:
            MinioServerError: the server is down, busy, or refuses the administrator.
        """
        members = cast("Any", [act.subject])  # the client's type says text, its body is a list
        with self._explained(), _gone_is_removed(act):
            match act.act:
                case acts.ActKind.REMOVE_USER:
                    self._admin.user_remove(act.subject)
                case acts.ActKind.END_TEMPORARY:
                    return self._end_temporary(act.subject)
                case acts.ActKind.ATTACH_POLICY:
                    return self._attach(act.name, act.subject)
                case acts.ActKind.DETACH_POLICY:
                    self._admin.detach_policy([act.name], user=act.subject)
                case acts.ActKind.JOIN_GROUP:
                    self._admin.group_add(act.name, members)
                case acts.ActKind.LEAVE_GROUP:
                    self._admin.group_remove(act.name, members)
                case acts.ActKind.REMOVE_ACCESS_KEY:
                    self._admin.delete_service_account(act.name)
                case acts.ActKind.REMOVE_BUCKET_POLICY:
                    self._s3.delete_bucket_policy(act.subject)
                case acts.ActKind.REMOVE_LIFECYCLE:
                    self._s3.delete_bucket_lifecycle(act.subject)
                case acts.ActKind.REMOVE_QUOTA:
                    self._admin.bucket_quota_clear(act.subject)
        return ""

    def _attach(self, policy: str, user: str) -> str:
        try:
            self._admin.attach_policy([policy], user=user)
        except MinioAdminException as refusal:
            if "AlreadyApplied" in refusal._body:
                return ""
            if "NoSuchPolicy" in refusal._body:
                return f"the policy {policy} does not exist"
            raise
        return ""

    def _end_temporary(self, user: str) -> str:
        """End what was obtained with a user's credential. Servers from before 2025 cannot."""
        try:
            self._admin._url_open(
                method="POST",
                command=cast("Any", _Further.REVOKE_TOKENS),
                query_params={"user": user, "fullRevoke": "true"},
            )
        except MinioAdminException as refusal:
            if int(refusal._code) == HTTPStatus.UPGRADE_REQUIRED:
                return "this server is too old; they end when their time is over"
            raise
        return ""

    def _bucket(self, bucket: DeclaredBucket) -> SeenBucket:
        with self._explained():
            lifecycle = self._s3.get_bucket_lifecycle(bucket.name)
            return SeenBucket(
                policy=self._bucket_policy(bucket.name),
                rules=frozenset(map(_rule, lifecycle.rules if lifecycle else ())),
                objects={
                    known.key: found
                    for known in bucket.objects
                    if (found := self._object(bucket.name, known.key))
                },
                quota_bytes=json.loads(self._admin.bucket_quota_get(bucket.name))["quota"],
            )

    def _bucket_policy(self, bucket: str) -> Mapping[str, Any] | None:
        try:
            document: dict[str, Any] = json.loads(self._s3.get_bucket_policy(bucket))
        except S3Error as refusal:
            if refusal.code == "NoSuchBucketPolicy":
                return None
            raise
        return document

    def _object(self, bucket: str, key: str) -> SeenObject | None:
        try:
            answer = self._s3.get_object(bucket, key)
        except S3Error as refusal:
            if refusal.code == "NoSuchKey":
                return None
            raise
        try:
            text = answer.read(_MOST_CHARACTERS).decode(errors="replace")
            return SeenObject(text, answer.headers.get("Content-Type", ""))
        finally:
            answer.close()
            answer.release_conn()

    def _user(self, user: User) -> SeenUser:
        with self._explained():
            found = json.loads(self._admin.user_info(user.name))
            keys = json.loads(self._admin.list_service_account(user.name))["accounts"] or ()
        enabled = found["status"] == "enabled"
        return SeenUser(
            enabled=enabled,
            has_secret=not (enabled and user.secret) or self.accepts(user.name, user.secret),
            policies=frozenset(filter(None, (found.get("policyName") or "").split(","))),
            groups=frozenset(found.get("memberOf") or ()),
            access_keys=frozenset(key["accessKey"] for key in keys),
        )

    def _policy(self, name: str) -> Mapping[str, Any]:
        with self._explained():
            document: dict[str, Any] = json.loads(self._admin.policy_info(name))
            return document

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except MinioAdminException as refusal:
            raise self._refused_admin(refusal) from None
        except S3Error as refusal:
            raise self._refused(str(refusal.code)) from None
        except (ServerError, urllib3.exceptions.HTTPError) as failure:
            raise self._not_ready(failure) from None


@contextlib.contextmanager
def _gone_is_removed(act: Act) -> Iterator[None]:
    """Take what is not there for removed, as after a repair that was interrupted."""
    try:
        yield
    except MinioAdminException as refusal:
        if act.act not in _REMOVALS or not any(code in refusal._body for code in _GONE):
            raise
    except S3Error as refusal:
        if act.act not in _REMOVALS or not str(refusal.code).startswith("NoSuch"):
            raise


def _rule(rule: ServerRule) -> DeclaredRule:
    ends, condition = rule.expiration, rule.rule_filter
    expiration = ""
    if ends and ends.days:
        expiration = f"{ends.days}d"
    elif ends and ends.date:
        expiration = f"{ends.date:%Y-%m-%d}"
    unusual = {
        "disabled": rule.status != "Enabled",
        "of versions": rule.noncurrent_version_expiration,
        "of delete markers": ends and ends.expired_object_delete_marker,
        "of some tags or sizes": condition and (condition.tag or condition.and_operator),
        "elsewhere": rule.transition or rule.noncurrent_version_transition,
        "of unfinished uploads": rule.abort_incomplete_multipart_upload,
    }
    return DeclaredRule(
        rule.rule_id or "",
        (condition and condition.prefix) or "",
        expiration,
        ", ".join(name for name, is_so in unusual.items() if is_so),
    )
