"""Pins: a writer names store paths that collections keep at any age.

The steps and their order are those of ``docs/reference/cache-protocol.md``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Self, TypeVar

from nix_cache.cli.errors import ClientError, UsageError
from nix_cache.cli.machine import console
from nix_cache.cli.machine.progress import Progress
from nix_cache.cli.nix.program import store_path
from nix_cache.cli.s3.client import S3Client
from nix_cache.cli.s3.errors import AnsweredError, Meaning, StorageError
from nix_cache.cli.s3.messages import Requester, explain
from nix_cache.cli.s3.retry import retry
from nix_cache.cli.s3.transport import Transport
from nix_cache.cli.upload import collections
from nix_cache.cli.upload.bucket import Bucket
from nix_cache.cli.upload.collections import Seen
from nix_cache.cli.upload.identity import identify
from nix_cache.cli.upload.report import Result
from nix_cache.cli.upload.writer import Writer
from nix_cache.formats.manifest import Manifest
from nix_cache.formats.narinfo import narinfo_key
from nix_cache.formats.pin import (
    PIN_NAME_RULE,
    PinRevision,
    is_pin_name,
    latest_content,
    latest_key,
    new_revision_key,
)
from nix_cache.formats.root_record import RootRecord

_LATEST_SECONDS = 60
"""For how long a CDN may serve the store path that was pinned before."""

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class KeepRules:
    """What is kept of a pin's revisions, besides the latest.

    Attributes:
        revisions: so many of the latest; None for no such rule.
        days: those of so many days; None for no such rule.
    """

    revisions: int | None = None
    days: int | None = None


def require_pin_name(name: str, place: str) -> None:
    """Make sure that a pin can have a name.

    Args:
        name: of the pin.
        place: where it was given, for messages.

    Raises:
        UsageError: it cannot.
    """
    if not is_pin_name(name):
        raise UsageError(f"{place} {name!r} is not the name of a pin", f"give {PIN_NAME_RULE}")


def expiry_warning(manifest: Manifest) -> str | None:
    """Return what a pin cannot do in a cache whose paths expire; None in other caches."""
    days = manifest.expire_after_days
    if not days:
        return None
    return (
        f"WARNING: rules of the storage expire every path {days} days after it was uploaded, also "
        "a pinned one. Remove `expireAfterDays` from the stack's configuration and run `pulumi "
        "up`, so that garbage collection alone decides what is kept."
    )


@dataclass(frozen=True)
class PinRequest:
    """The wish to pin what is pushed.

    Attributes:
        name: of the pin.
        rules: what is kept of the pin's revisions.
    """

    name: str
    rules: KeepRules

    @classmethod
    def of(cls, name: str | None, rules: KeepRules) -> Self | None:
        """Read the options of a command; None if nothing is to be pinned.

        Raises:
            UsageError: they contradict each other, or the name cannot be one.
        """
        if name is None:
            if rules != KeepRules():
                raise UsageError(
                    "--keep-revisions and --keep-days are about a pin, and none is named",
                    "add --pin NAME",
                )
            return None
        require_pin_name(name, "--pin")
        return cls(name, rules)

    def path_among(self, given: Sequence[str], store_dir: str) -> str:
        """Return the store path to pin.

        Args:
            given: what was named to the push.
            store_dir: the store's folder.

        Raises:
            UsageError: it is not one path.
        """
        paths = {store_path(each, store_dir) for each in given}
        if len(paths) != 1:
            raise UsageError(
                f"--pin {self.name} takes one store path, and {len(paths)} are given",
                "push each path that is to be pinned with its own --pin",
            )
        return paths.pop()

    def fulfil(
        self, writer: Writer, path: str, result: Result, *, has_events: bool = False
    ) -> Result:
        """Pin a path that was pushed; return the result of the push with that.

        Args:
            writer: as whom.
            path: the store path.
            result: of the push.
            has_events: whether standard error has JSON lines for programs.

        Raises:
            ClientError: the path is of no use to readers, or the storage refused.
        """
        if result.refused:
            raise ClientError(
                f"readers refuse paths of the cache {result.cache}, so the pin {self.name} was not "
                "changed",
                "repair these paths with `nix-cache push --repair`, then push again",
            )
        with Progress(has_events=has_events) as progress:
            progress.tell(f"waiting for {writer.manifest.endpoint}")
            Pinning(writer, progress.note).pin_pushed(self.name, path, self.rules)
        if text := expiry_warning(writer.manifest):
            console.note(text)
        return replace(result, pin=self.name)


class Pinning:
    """Writes the pins of a cache.

    Args:
        writer: as whom.
        report: called with what stays to be read.
    """

    def __init__(self, writer: Writer, report: Callable[[str], None]) -> None:
        manifest, identity = writer.manifest, identify(writer)
        self._writer = writer
        self._report = report
        self._who = Requester(
            writer.name, manifest.endpoint, manifest.bucket, writer.record.name, identity.origin
        )
        self._client = S3Client.of(manifest, identity.credentials, Transport(jobs=1))
        self._bucket = Bucket(manifest, self._client, self._who, jobs=1)

    def pin(self, name: str, path: str, rules: KeepRules) -> None:
        """Pin a store path that the cache has.

        A root record keeps the path until the pin does. Then it is as if the path had been pushed.

        Args:
            name: of the pin.
            path: the store path.
            rules: what is kept of the pin's revisions.

        Raises:
            ClientError: the cache does not have the path, or the storage refused.
        """
        self._tried(self._bucket.require_access)
        record = RootRecord(
            started=_now(),
            writer=self._writer.name,
            roots=(path.rpartition("/")[2],),
            paths=(path.rpartition("/")[2][:32],),
        )
        if not self._tried(lambda: self._bucket.protect(record)):
            raise self._refusal("write root records")
        self.pin_pushed(name, path, rules)

    def pin_pushed(self, name: str, path: str, rules: KeepRules) -> None:
        """Pin a store path that a root record keeps, as after a push.

        Args:
            name: of the pin.
            path: the store path.
            rules: what is kept of the pin's revisions.

        Raises:
            ClientError: the cache does not have the path, or the storage refused.
        """
        before = self._when_ended()
        if self._tried(lambda: self._bucket.absent([narinfo_key(path)])):
            raise ClientError(
                f"{path} is not in the cache {self._writer.record.name}, so the pin {name} was not "
                "changed",
                f"run `nix-cache push {path}` first, with --all if an upstream cache has the path",
            )
        self._write(name, path, rules, before)

    def unpin(self, name: str) -> None:
        """End a pin. Its revisions are deleted by a collection.

        Raises:
            UsageError: the cache has no such pin.
            ClientError: the storage refused.
        """
        self._tried(self._bucket.require_access)
        if self._tried(lambda: self._bucket.absent([latest_key(name)])):
            raise UsageError(
                f"the cache {self._writer.record.name} has no pin {name}",
                "list its pins with `nix-cache pins`. If it is among them, the "
                "command that pinned it was killed: pin it again, then unpin it",
            )
        self._write(name, None, KeepRules(), self._when_ended())

    def _write(self, name: str, path: str | None, rules: KeepRules, before: Seen) -> None:
        """Put a revision, and the object with the latest store path.

        A collection deletes that object when it sees no revision, so it is put again if one did at
        the same time.
        """
        made = _now()
        revision = PinRevision(
            made=made,
            writer=self._writer.name,
            path=path,
            keep_revisions=rules.revisions,
            keep_days=rules.days,
        )
        self._put(new_revision_key(name, made), revision.content, "application/json")
        key, content = latest_key(name), latest_content(path)
        self._put(key, content, "text/plain; charset=utf-8", max_age=_LATEST_SECONDS)
        while before.may_have_deleted(now := self._when_ended()):
            if self._tried(lambda: self._bucket.absent([key])):
                self._put(key, content, "text/plain; charset=utf-8", max_age=_LATEST_SECONDS)
            before = now

    def _when_ended(self) -> Seen:
        return collections.when_ended(lambda: self._tried(self._bucket.collections), self._report)

    def _put(self, key: str, content: bytes, content_type: str, max_age: int | None = None) -> None:
        headers = {"Content-Type": content_type}
        if max_age is not None:
            headers["Cache-Control"] = f"max-age={max_age}"

        def put() -> None:
            try:
                self._client.succeeded("PUT", key, headers=headers, body=content)
            except AnsweredError as refusal:
                if refusal.meaning is Meaning.DENIED:
                    raise self._refusal("pin store paths") from None
                raise explain(refusal, self._who) from None
            except StorageError as failure:
                raise explain(failure, self._who) from None

        self._tried(put)

    def _refusal(self, what: str) -> ClientError:
        return ClientError(
            f"the writer {self._writer.name} may not {what} in the bucket "
            f"{self._writer.manifest.bucket}",
            "run `pulumi up` on the stack with this version of the component; if it is up to date, "
            "look with `nix-cache doctor`",
        )

    def _tried(self, work: Callable[[], _Result]) -> _Result:
        return retry(work, self._report)


def _now() -> datetime:
    return datetime.now(UTC)
