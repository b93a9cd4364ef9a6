"""Backblaze B2 as far as a cache needs it: the SDK's own simulator, made as strict as the service.

The simulator checks capabilities, names that are taken and tokens. It deletes buckets that have
objects, takes any name and any rules, and its keys can be guessed.
"""

import hashlib
import io
import itertools
import secrets
from typing import Any

from b2sdk.v3 import SSE_NONE, BucketSimulator, RawSimulator
from b2sdk.v3.exception import BadRequest, DuplicateBucketName

from nix_cache.backends.b2.account import MARK

REGION = "us-west-004"
_CAP = 10
_RULES = 100
_RULE_FIELDS = {
    "fileNamePrefix",
    "daysFromHidingToDeleting",
    "daysFromUploadingToHiding",
    "daysFromStartingToCancelingUnfinishedLargeFiles",
}


class Service(RawSimulator):  # type: ignore[misc]  # the SDK has no types
    """All accounts, in memory.

    Attributes:
        key_id: the id of the key to one account.
        key: that key.
        cap: the most buckets of an account.
        names_of_others: bucket names that other accounts have.
    """

    S3_API_URL = f"https://s3.{REGION}.backblazeb2.com"
    MIN_PART_SIZE = 5_000_000

    def __init__(self) -> None:
        super().__init__()
        self.bucket_id_counter = itertools.count()
        self._file_ids = iter(range(BucketSimulator.FIRST_FILE_NUMBER, 0, -1))
        self.cap = _CAP
        self.names_of_others: set[str] = set()
        account, _ = self.create_account()
        self.key_id, self.key = account, _drawn_key()
        self.key_id_to_key[account].key = self.key

    def create_bucket(
        self, api_url: str, token: str, account_id: str, bucket_name: str, **kwargs: Any
    ) -> dict[str, Any]:
        """Make a bucket."""
        if not 6 <= len(bucket_name) <= 63 or bucket_name.startswith("b2-"):
            raise BadRequest(f"Invalid bucketName: {bucket_name}", "bad_request")
        _check_rules(kwargs.get("lifecycle_rules"))
        if bucket_name in self.names_of_others:
            raise DuplicateBucketName(bucket_name)
        if len(self.bucket_id_to_bucket) >= self.cap:
            raise BadRequest("the account has too many buckets", "too_many_buckets")
        super().create_bucket(api_url, token, account_id, bucket_name, **kwargs)
        bucket = self.bucket(bucket_name)
        bucket.file_id_counter = self._file_ids  # ids are unique within the account
        if kwargs.get("default_server_side_encryption") is None:
            bucket.default_server_side_encryption = SSE_NONE
        made: dict[str, Any] = bucket.bucket_dict(token)
        return made

    def update_bucket(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Change a bucket."""
        _check_rules(kwargs.get("lifecycle_rules"))
        updated: dict[str, Any] = super().update_bucket(*args, **kwargs)
        return updated

    def delete_bucket(
        self, api_url: str, token: str, account_id: str, bucket_id: str
    ) -> dict[str, Any]:
        """Delete a bucket in which there is no version of anything."""
        bucket = self._get_bucket_by_id(bucket_id)
        if bucket.file_id_to_file:
            raise BadRequest("Cannot delete non-empty bucket", "cannot_delete_non_empty_bucket")
        deleted: dict[str, Any] = super().delete_bucket(api_url, token, account_id, bucket_id)
        return deleted

    def create_key(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Make a key that no user guesses."""
        made: dict[str, Any] = super().create_key(*args, **kwargs)
        self.key_id_to_key[made["applicationKeyId"]].key = _drawn_key()
        return {**made, "applicationKey": self.key_id_to_key[made["applicationKeyId"]].key}

    def delete_key(self, api_url: str, token: str, key_id: str) -> dict[str, Any]:
        """Delete a key."""
        caller = self.auth_token_to_key[token]
        self._assert_account_auth(api_url, token, caller.account_id, "deleteKeys")
        deleted: dict[str, Any] = super().delete_key(api_url, token, key_id)
        return deleted

    def delete_file_version(
        self, api_url: str, token: str, file_id: str, file_name: str, bypass_governance: bool
    ) -> dict[str, Any]:
        """Delete a version of a file; an upload that was never finished has to be cancelled."""
        bucket = self.bucket_id_to_bucket.get(self.file_id_to_bucket_id.get(file_id, ""))
        file = bucket.file_id_to_file.get(file_id) if bucket else None
        if file is not None and file.action == "start":
            raise BadRequest(f"{file_name} is not finished", "bad_request")
        deleted: dict[str, Any] = super().delete_file_version(
            api_url, token, file_id, file_name, bypass_governance
        )
        return deleted

    # What tests do past the stack, and what they look at.

    def bucket(self, name: str) -> Any:
        """Return the simulator's bucket of a name."""
        return self.bucket_name_to_bucket[name]

    def keys(self) -> dict[str, dict[str, Any]]:
        """All keys but the account's own, by their names without the mark; each name once."""
        found: dict[str, dict[str, Any]] = {}
        for key in self.all_application_keys:
            name = key.name.rpartition("-")[0]
            assert name not in found, f"two keys for {name}"
            found[name] = key.as_created_key()
        return found

    def texts(self, bucket: str) -> dict[str, str]:
        """By name, what readers of a bucket get."""
        listed = self.bucket(bucket).list_file_names(self._any_token())["files"]
        files = self.bucket(bucket).file_id_to_file
        return {file["fileName"]: files[file["fileId"]].data_bytes.decode() for file in listed}

    def put(self, bucket: str, name: str, content: bytes) -> None:
        """Write an object past the stack, as a writer does."""
        token = self._any_token()
        target = self.get_upload_url(self.API_URL, token, self.bucket(bucket).bucket_id)
        self.upload_file(
            target["uploadUrl"],
            target["authorizationToken"],
            name,
            len(content),
            "application/octet-stream",
            hashlib.sha1(content).hexdigest(),
            {},
            io.BytesIO(content),
        )

    def hide(self, bucket: str, name: str) -> None:
        """Hide an object, as S3's DeleteObject does for who may write."""
        self.hide_file(self.API_URL, self._any_token(), self.bucket(bucket).bucket_id, name)

    def begin_large_file(self, bucket: str, name: str) -> None:
        """Begin an upload that no user will finish."""
        bucket_id = self.bucket(bucket).bucket_id
        self.start_large_file(self.API_URL, self._any_token(), bucket_id, name, "x/y", {})

    def make_bucket_past_the_stack(self, name: str, mark: str = "") -> Any:
        """Make a bucket as a user does at Backblaze's console."""
        info = {MARK: mark} if mark else {}
        self.create_bucket(
            *(self.API_URL, self._any_token(), self.key_id, name),
            bucket_type="allPrivate",
            bucket_info=info,
        )
        return self.bucket(name)

    def make_key(self, name: str, bucket: str | None, capabilities: list[str]) -> dict[str, Any]:
        """Make a key as a user does at Backblaze's console."""
        buckets = [self.bucket(bucket).bucket_id] if bucket else None
        return self.create_key(
            self.API_URL, self._any_token(), self.key_id, capabilities, name, None, buckets, None
        )

    def _any_token(self) -> str:
        granted = self.authorize_account(self.API_URL, self.key_id, self.key)
        token: str = granted["authorizationToken"]
        return token


def _drawn_key() -> str:
    return f"K004{secrets.token_urlsafe(20)}"


def _check_rules(rules: list[dict[str, Any]] | None) -> None:
    prefixes = sorted(rule["fileNamePrefix"] for rule in rules or ())
    if len(prefixes) > _RULES:
        raise BadRequest("too many lifecycle rules", "bad_request")
    for shorter, longer in itertools.pairwise(prefixes):
        if longer.startswith(shorter):
            raise BadRequest("lifecycle rules overlap", "bad_request")
    for rule in rules or ():
        days = [rule[field] for field in set(rule) & (_RULE_FIELDS - {"fileNamePrefix"})]
        if set(rule) - _RULE_FIELDS or not all(isinstance(n, int) and n > 0 for n in days):
            raise BadRequest(f"bad lifecycle rule: {rule}", "bad_request")
