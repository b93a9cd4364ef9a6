"""A claim on a bucket's name in a Backblaze account, made before the bucket.

It finds out in the preview what would stop `up` halfway: no account, a key that may do too little,
another region, a bucket that is somebody else's. Each time it asks whether the account answers.

The claim draws the mark by which the stack knows again what it made, even if the answer was lost.
"""

import secrets
from typing import Any

import pulumi
from pulumi.dynamic import (
    CheckResult,
    CreateResult,
    DiffResult,
    Resource,
    UpdateResult,
)

from nix_cache.storage.b2_login import B2AccountError
from nix_cache.storage.b2_provider import AccountProvider, difference

_MARK_BYTES = 4

TAKEN = (
    "choose another bucket, or take it over as 'Adoption' in the part on Backblaze of the README "
    "tells"
)


class _BucketClaimProvider(AccountProvider):
    """Makes nothing. The check asks the account; what it finds goes to the program as an input."""

    def check(self, _olds: dict[str, Any], news: dict[str, Any]) -> CheckResult:
        held = _olds.get("bucket") == news["bucket"]
        return CheckResult({**news, "problem": self._problem(news, held=held)}, [])

    def create(self, props: dict[str, Any]) -> CreateResult:
        return CreateResult(secrets.token_hex(_MARK_BYTES), _granted(props))

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        return difference(_olds, _news, replaced_by=["bucket"], updated_by=["region", "problem"])

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        return UpdateResult(_granted(_news))

    def _problem(self, props: dict[str, Any], *, held: bool) -> str:
        """Why the name cannot be had, or nothing."""
        bucket = str(props["bucket"])
        try:
            account = self.account()
            account.require(str(props["region"]))
            if not held and not props["adopt"] and account.bucket_id(bucket):
                return f"the bucket {bucket!r} exists already in the Backblaze account: {TAKEN}"
        except B2AccountError as problem:
            return str(problem)
        return ""


def _granted(props: dict[str, Any]) -> dict[str, Any]:
    if props["problem"]:
        raise ValueError(props["problem"])
    return {key: props[key] for key in ("bucket", "region", "adopt", "problem")}


class BucketClaim(Resource, module="nix-cache", name="B2BucketClaim"):
    """The right to a bucket's name. Its id is the mark of what this stack makes.

    Args:
        resource_name: the resource's name in the stack.
        bucket: the bucket's name.
        region: where the account has to be.
        adopt: whether a bucket of this name in the account is to be taken over.
        opts: as for any resource.
    """

    problem: pulumi.Output[str]
    """Why the name cannot be had, or nothing."""

    def __init__(
        self,
        resource_name: str,
        bucket: str,
        region: str,
        *,
        adopt: bool = False,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props = {
            "bucket": bucket,
            "region": region,
            "adopt": adopt,
            "problem": None,
        }
        super().__init__(_BucketClaimProvider(), resource_name, props, opts)
