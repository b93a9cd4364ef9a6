"""What a reservation asks an S3 service: whether a cache's names are free, and what it can do.

That finds in the preview what would stop `up` halfway: no key pair, a bucket of another stack, a
bucket that should exist and does not, a part of the API that the service does not have.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pulumi.dynamic import Config, DiffResult
from pulumi.output import Unknown

from nix_cache import docs
from nix_cache.backends.s3.login import S3Login, S3ServiceError, login_from
from nix_cache.dynamic.difference import difference

if TYPE_CHECKING:
    from nix_cache.backends.s3.bucket import ServiceBucket

_ADOPTION = docs.page("operations/adoption")


def question(config: Config) -> "ServiceQuestion":
    """Make the question for one stack's configuration."""
    return ServiceQuestion(config)


class ServiceQuestion:
    """Asks for a bucket and for users, and for what the bucket is to be set to."""

    kept = ("bucket", "users", "endpoint", "create")

    def __init__(self, config: Config) -> None:
        self._config = config

    def problem(self, held: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
        """Explain why the names cannot be used; empty if they can."""
        if isinstance(wanted["service"], Unknown):
            return ""  # a preview before the service exists; `up` asks again
        try:
            return "\n".join(self._problems(login_from(self._config.get), held, wanted))
        except S3ServiceError as failure:
            return str(failure)

    def changes(self, kept: Mapping[str, Any], wanted: Mapping[str, Any]) -> DiffResult:
        """Update in place when other names are wanted. A service may move."""
        return difference(kept, wanted, replaced_by=[], updated_by=self.kept)

    def new_id(self, wanted: Mapping[str, Any]) -> str:
        """Use the bucket's name."""
        return str(wanted["bucket"])

    def _problems(
        self, login: S3Login, held: Mapping[str, Any], wanted: Mapping[str, Any]
    ) -> Iterator[str]:
        from nix_cache.backends.s3.bucket import ServiceBucket  # a program only declares names
        from nix_cache.backends.s3.bucket_settings import lacking
        from nix_cache.backends.s3.connection import service_of
        from nix_cache.backends.s3.users import Users

        bucket = ServiceBucket(service_of(wanted), login, str(wanted["bucket"]))
        here = {name: wanted[name] for name in ("bucket", "endpoint")}
        is_held = all(held.get(name) == value for name, value in here.items())
        is_there = bucket.exists
        if is_there:
            yield from lacking(bucket, wanted["parts"])
        if is_there and not wanted["adopt"]:
            yield from self._not_ours(bucket, held if is_held else {}, wanted)
        if not wanted["create"] and not is_there:
            yield (
                f"The bucket {bucket.name!r} does not exist, and s3.createBucket is false. Create "
                "the bucket, or set s3.createBucket to true."
            )
        users = Users(service_of(wanted), login)
        for user in _new(wanted["users"], (held.get("users") or ()) if is_held else ()):
            if not wanted["adopt"] and users.has(user):
                yield (
                    f"the user {user!r} exists already: choose another name for the writer or "
                    f"reader, or adopt the user: see {_ADOPTION}"
                )

    @staticmethod
    def _not_ours(
        bucket: "ServiceBucket", held: Mapping[str, Any], wanted: Mapping[str, Any]
    ) -> Iterator[str]:
        """Yield why a bucket that is there is not taken, unless the cache adopts it."""
        from nix_cache.backends.s3.bucket_settings import settings_of

        if wanted["create"] and not held.get("create"):
            yield (
                f"the bucket {bucket.name!r} exists already: choose another bucket, or set "
                f"s3.createBucket to false to use this one: see {_ADOPTION}"
            )
        elif not held:
            found = settings_of(bucket)
            if bucket.is_cache:
                yield (
                    f"the bucket {bucket.name!r} exists already and is a binary cache: choose "
                    f"another bucket, or adopt the cache: see {_ADOPTION}"
                )
            elif (found.policy and "policy" in wanted["replaces"]) or (
                found.lifecycle and "lifecycle" in wanted["replaces"]
            ):
                yield (
                    f"the bucket {bucket.name!r} has a policy or lifecycle rules, which the cache "
                    "would replace. Remove them, or set adopt to true to replace them."
                )


def _new(users: Sequence[str], held: Sequence[str]) -> list[str]:
    return [user for user in users if user not in held]
