"""A Backblaze account, asked through its own SDK: buckets, keys and small objects.

Everything here may be tried again after an answer was lost, and every error is one sentence.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import requests
from b2sdk.v3 import (
    ApplicationKey,
    B2Api,
    B2HttpApiConfig,
    Bucket,
    EncryptionAlgorithm,
    EncryptionMode,
    EncryptionSetting,
    FileVersion,
    InMemoryAccountInfo,
)
from b2sdk.v3 import exception as sdk

from nix_cache.backends.b2.deletion import delete_versions
from nix_cache.backends.b2.errors import explained, restricted
from nix_cache.backends.b2.login import B2AccountError, Login

NEEDED = frozenset(
    f"{verb}{what}"
    for what, verbs in {
        "Buckets": ("list", "write", "delete"),
        "BucketEncryption": ("read", "write"),
        "Keys": ("list", "write", "delete"),
        "Files": ("list", "read", "write", "delete"),
    }.items()
    for verb in verbs
)
"""The capabilities of the key that a stack is brought up with."""

MARK = "nix-cache-mark"
"""The key of the ownership tag in a bucket's information: which stack made it."""

_CONNECT_SECONDS, _READ_SECONDS = 10, 60

# The SDK warns, on standard error, of every refusal that it has no class for; each is explained.
warnings.filterwarnings("ignore", message="bad request exception with an unknown `code`")


class _Session(requests.Session):
    """Gives up on a server that hangs: the SDK itself would wait for 20 minutes, five times."""

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        return super().request(*args, **{**kwargs, "timeout": (_CONNECT_SECONDS, _READ_SECONDS)})


@dataclass(frozen=True)
class BucketSettings:
    """What a bucket is set to.

    Attributes:
        type: ``allPublic``, with anonymous reads by name, or ``allPrivate``.
        encryption: the mode of the encryption that objects have by default.
        lifecycle_rules: rules in B2's own words, without those of their fields that are not set.
        mark: which stack made it; empty if none did.
    """

    type: str
    encryption: str
    lifecycle_rules: Sequence[Mapping[str, Any]]
    mark: str


@dataclass(frozen=True)
class MadeKey:
    """An application key as B2 returns it once."""

    key_id: str
    key: str


class Account:
    """An account, authorized.

    Args:
        login: how it is reached.

    Raises:
        B2AccountError: it cannot be reached, or not by this key. So does every method.
    """

    def __init__(self, login: Login) -> None:
        self._login = login
        self._api = B2Api(
            InMemoryAccountInfo(),
            api_config=B2HttpApiConfig(_Session, user_agent_append="nix-cache"),
        )
        with explained(login, authorizing=True):
            self._api.authorize_account(login.key_id, login.key, realm=login.realm)

    def require(self, region: str) -> None:
        """Make sure that the key may do what a cache takes, in an account of this region.

        Raises:
            B2AccountError: it may not, or the account is in another region.
        """
        allowed = self._api.account_info.get_allowed()
        if allowed["buckets"] or allowed["namePrefix"]:
            raise restricted(self._login)
        if missing := NEEDED.difference(allowed["capabilities"]):
            raise B2AccountError(
                f"the key {self._login.key_id!r} lacks {', '.join(sorted(missing))}: set "
                "b2:applicationKeyId and b2:applicationKey to a key that has them"
            )
        endpoint = self._api.account_info.get_s3_api_url()
        actual = endpoint.removeprefix("https://s3.").removesuffix(".backblazeb2.com")
        if actual != region:
            raise B2AccountError(
                f"b2.region is {region!r}, but the account of the key {self._login.key_id!r} is "
                f"in {actual!r} ({endpoint}): correct b2.region, or use a key of another account"
            )

    def bucket_id(self, name: str) -> str | None:
        """Return the bucket of this name in the account, if there is one."""
        with explained(self._login):
            found = self._api.list_buckets(bucket_name=name)
        return found[0].id_ if found else None

    def make_bucket(self, name: str, settings: BucketSettings) -> str | None:
        """Make a bucket; gives back its id, or nothing where the name is taken in any account.

        A request that was tried again finds the name taken by its own bucket.
        """
        with explained(self._login):
            try:
                made = self._api.create_bucket(
                    name,
                    settings.type,
                    bucket_info={MARK: settings.mark},
                    lifecycle_rules=list(settings.lifecycle_rules),
                    default_server_side_encryption=_encryption(settings),
                )
            except sdk.DuplicateBucketName:
                return None
        bucket_id: str = made.id_
        return bucket_id

    def settings_of(self, bucket_id: str) -> BucketSettings | None:
        """Return what a bucket is set to; nothing if it is gone."""
        bucket = self._bucket(bucket_id)
        if bucket is None:
            return None
        return BucketSettings(
            type=bucket.type_,
            encryption=str(bucket.default_server_side_encryption.mode.value),
            lifecycle_rules=[
                {key: value for key, value in sorted(rule.items()) if value is not None}
                for rule in sorted(bucket.lifecycle_rules, key=lambda rule: rule["fileNamePrefix"])
            ],
            mark=bucket.bucket_info.get(MARK, ""),
        )

    def set_bucket(self, bucket_id: str, settings: BucketSettings) -> None:
        """Set a bucket to something else; what else is written in its information stays."""
        bucket = self._bucket(bucket_id)
        with explained(self._login):
            if bucket is None:
                raise sdk.BucketIdNotFound(bucket_id)
            bucket.update(
                bucket_type=settings.type,
                bucket_info={**bucket.bucket_info, MARK: settings.mark},
                lifecycle_rules=list(settings.lifecycle_rules),
                default_server_side_encryption=_encryption(settings),
            )

    def delete_bucket(self, bucket_id: str) -> None:
        """Delete a bucket that is empty. One that is gone already is as good."""
        with explained(self._login):
            try:
                self._api.delete_bucket(Bucket(self._api, bucket_id))
            except sdk.BucketIdNotFound:
                return

    def empty_bucket(self, bucket_id: str) -> None:
        """Remove every version of every object, and what was never finished. Final."""
        bucket = self._bucket(bucket_id)
        if bucket is None:
            return
        with explained(self._login):
            for unfinished in bucket.list_unfinished_large_files():
                bucket.cancel_large_file(unfinished.file_id)
            versions = bucket.ls(latest_only=False, recursive=True)
            delete_versions(self._api, (version for version, _ in versions))

    def make_key(self, name: str, bucket_id: str, capabilities: Sequence[str]) -> MadeKey:
        """Make a key for one bucket, and make it the only one there that has the name.

        A request whose response was lost left a key whose secret is unknown.
        """
        with explained(self._login):
            made = self._api.create_key(list(capabilities), name, bucket_ids=[bucket_id])
            for key in list(self._api.list_keys()):
                if (key.key_name, key.bucket_ids) == (name, [bucket_id]) and key.id_ != made.id_:
                    self._delete_key(key.id_)
        return MadeKey(made.id_, made.application_key)

    def key(self, key_id: str) -> ApplicationKey | None:
        """Return a key without its secret; nothing if it is gone."""
        with explained(self._login):
            return self._api.get_key(key_id)

    def delete_key(self, key_id: str) -> None:
        """Delete a key. One that is gone already is as good."""
        with explained(self._login):
            self._delete_key(key_id)

    def put_text(self, bucket_id: str, key: str, text: str, content_type: str) -> None:
        """Write a small object; B2 keeps the one before it as a hidden version."""
        with explained(self._login):
            bucket = Bucket(self._api, bucket_id)
            bucket.upload_bytes(text.encode(), key, content_type=content_type)

    def object(self, bucket_id: str, key: str) -> FileVersion | None:
        """Return an object as readers see it; nothing if it, or its bucket, is gone or hidden."""
        with explained(self._login):
            try:
                versions = Bucket(self._api, bucket_id).list_file_versions(key, fetch_count=1)
                newest = next(iter(versions), None)
            except (sdk.BucketIdNotFound, sdk.NonExistentBucket):
                return None
        return newest if newest is not None and newest.action == "upload" else None

    def delete_object(self, bucket_id: str, key: str) -> None:
        """Remove an object in all its versions. One that is gone already is as good."""
        with explained(self._login):
            try:
                versions = Bucket(self._api, bucket_id).list_file_versions(key)
                delete_versions(self._api, versions)
            except (sdk.BucketIdNotFound, sdk.NonExistentBucket):
                return

    def _bucket(self, bucket_id: str) -> Bucket | None:
        with explained(self._login):
            try:
                found = self._api.list_buckets(bucket_id=bucket_id)
            except sdk.BucketIdNotFound:
                return None
        return found[0] if found else None

    def _delete_key(self, key_id: str) -> None:
        try:
            self._api.delete_key_by_id(key_id)
        except sdk.BadRequest:
            if self._api.get_key(key_id) is not None:
                raise


@lru_cache
def open_account(login: Login) -> Account:
    """Return the account of a login, authorized once a process.

    Raises:
        B2AccountError: it cannot be reached, or not by this key.
    """
    return Account(login)


def _encryption(settings: BucketSettings) -> EncryptionSetting:
    return EncryptionSetting(EncryptionMode(settings.encryption), EncryptionAlgorithm.AES256)
