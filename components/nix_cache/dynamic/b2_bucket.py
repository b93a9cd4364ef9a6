"""A bucket of Backblaze B2 as a resource."""

from typing import TYPE_CHECKING, Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, UpdateResult

from nix_cache.backends.b2.login import TAKEN, B2AccountError
from nix_cache.backends.registry import BACKENDS
from nix_cache.dynamic.b2_provider import AccountProvider
from nix_cache.dynamic.difference import difference

if TYPE_CHECKING:
    from nix_cache.backends.b2.account import Account, BucketSettings

KEPT_DAYS = BACKENDS["b2"].unfinished_upload_days
"""How long B2 keeps what a writer replaced or hid, and what was never finished. A writer's key can
hide any object: B2 has no narrower one. Until then the owner can bring it back."""

LIFECYCLE_RULES = [
    {
        "daysFromHidingToDeleting": KEPT_DAYS,
        "daysFromStartingToCancelingUnfinishedLargeFiles": KEPT_DAYS,
        "fileNamePrefix": "",
    }
]

ENCRYPTION = "SSE-B2"
"""Encryption with keys that Backblaze keeps; a bucket has none unless it is said."""

_SETTINGS = ("type", "encryption", "lifecycle_rules", "mark")


class B2BucketProvider(AccountProvider):
    """Makes a bucket and keeps its settings."""

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Make the bucket, or go on with one that has this stack's mark."""
        account = self.account()
        bucket_id = account.bucket_id(props["bucket"])
        made = bucket_id or account.make_bucket(props["bucket"], _wanted(props))
        if made is None:
            made = account.bucket_id(props["bucket"])
            if made is None:
                raise B2AccountError(
                    f"the bucket {props['bucket']!r} exists in another account, and all "
                    "accounts share one set of names: choose another bucket"
                )
        if not props["adopt"]:
            _require_mark(account, made, props)
        account.set_bucket(made, _wanted(props))
        return CreateResult(made, dict(props))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """Read the bucket's settings."""
        actual = self.account().settings_of(id_)
        if actual is None:
            return ReadResult("", {})
        return ReadResult(id_, {**props, **vars(actual)})

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Replace a bucket with its name."""
        return difference(
            _olds, _news, replaced_by=["bucket"], updated_by=[*_SETTINGS, "force_destroy"]
        )

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Set the bucket's settings."""
        self.account().set_bucket(_id, _wanted(_news))
        return UpdateResult(dict(_news))

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Delete the bucket, with its objects if that is asked for."""
        account = self.account()
        if _props["force_destroy"]:
            account.empty_bucket(_id)
        account.delete_bucket(_id)


def _require_mark(account: "Account", bucket_id: str, props: dict[str, Any]) -> None:
    """Adopt a bucket with this stack's tag: only the response to its creation was lost."""
    actual = account.settings_of(bucket_id)
    if actual is None or actual.mark != props["mark"]:
        raise B2AccountError(
            f"the bucket {props['bucket']!r} exists already in the Backblaze account: {TAKEN}"
        )


def _wanted(props: dict[str, Any]) -> "BucketSettings":
    from nix_cache.backends.b2.account import BucketSettings

    rules = [
        {key: int(value) if key.startswith("days") else value for key, value in rule.items()}
        for rule in props["lifecycle_rules"]
    ]
    return BucketSettings(props["type"], props["encryption"], rules, props["mark"])


class B2Bucket(Resource, module="nix-cache", name="B2Bucket"):
    """A bucket. Its id is the one that keys and objects refer to.

    Args:
        resource_name: the resource's name in the stack.
        bucket: its name. All accounts of Backblaze share one set of names.
        public: whether anonymous requests may read objects by name. They never list.
        mark: the ownership tag, which shows that this stack made it.
        adopt: whether a bucket of this name in the account is adopted.
        force_destroy: whether it is deleted with all that is in it.
        opts: as for any resource.
    """

    def __init__(
        self,
        resource_name: str,
        bucket: str,
        *,
        public: bool,
        mark: pulumi.Input[str],
        adopt: bool,
        force_destroy: bool,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props = {
            "bucket": bucket,
            "type": "allPublic" if public else "allPrivate",
            "encryption": ENCRYPTION,
            "lifecycle_rules": LIFECYCLE_RULES,
            "mark": mark,
            "adopt": adopt,
            "force_destroy": force_destroy,
        }
        super().__init__(B2BucketProvider(), resource_name, props, opts)
