"""What a reservation asks a Backblaze account: whether it is the right one and has the bucket.

That finds in the preview what would stop `up` halfway: no account, a key that may do too little,
another region, a bucket of another stack.

A reservation's id is random: the mark by which the stack recognises what it made, even if the
answer was lost.
"""

import secrets
from collections.abc import Mapping
from typing import Any

from pulumi.dynamic import Config, DiffResult

from nix_cache.backends.b2.login import TAKEN, B2AccountError, login_from
from nix_cache.dynamic.difference import difference

_MARK_BYTES = 4


def question(config: Config) -> "BucketQuestion":
    """Make the question for one stack's configuration."""
    return BucketQuestion(config)


class BucketQuestion:
    """Asks for one bucket in a region."""

    kept = ("bucket", "region")

    def __init__(self, config: Config) -> None:
        self._config = config

    def problem(self, held: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
        """Explain why the bucket cannot be used; empty if it can."""
        from nix_cache.backends.b2.account import open_account  # a program only declares names

        bucket = str(wanted["bucket"])
        is_held = held.get("bucket") == bucket
        try:
            account = open_account(login_from(self._config.get))
            account.require(str(wanted["region"]))
            if not is_held and not wanted["adopt"] and account.bucket_id(bucket):
                return f"the bucket {bucket!r} exists already in the Backblaze account: {TAKEN}"
        except B2AccountError as problem:
            return str(problem)
        return ""

    def changes(self, kept: Mapping[str, Any], wanted: Mapping[str, Any]) -> DiffResult:
        """Replace the reservation with its bucket."""
        return difference(kept, wanted, replaced_by=["bucket"], updated_by=["region"])

    def new_id(self, wanted: Mapping[str, Any]) -> str:
        """Draw the mark."""
        return secrets.token_hex(_MARK_BYTES)
