"""One push, from the paths that were named to the check of what is in the cache then."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass

from nix_cache.cli.errors import ClientError
from nix_cache.cli.machine.progress import Progress
from nix_cache.cli.machine.sizes import size
from nix_cache.cli.nix import program
from nix_cache.cli.nix.versions import version_traps
from nix_cache.cli.s3.messages import Requester
from nix_cache.cli.s3.retry import retry
from nix_cache.cli.upload.bucket import Bucket
from nix_cache.cli.upload.copying import copy
from nix_cache.cli.upload.events import Copying
from nix_cache.cli.upload.held import Held
from nix_cache.cli.upload.identity import Identity, identify
from nix_cache.cli.upload.nix_errors import short
from nix_cache.cli.upload.report import Result
from nix_cache.cli.upload.writer import Writer


@dataclass(frozen=True)
class _Push:
    """A push under way.

    Attributes:
        writer: as whom.
        identity: with which credential.
        jobs: how many requests there are at a time.
        progress: tells how far it is.
    """

    writer: Writer
    identity: Identity
    jobs: int
    progress: Progress

    @property
    def who(self) -> Requester:
        """The writer, for messages."""
        manifest = self.writer.manifest
        return Requester(
            self.writer.name,
            manifest.endpoint,
            manifest.bucket,
            self.writer.record.name,
            self.identity.origin,
        )


def push(writer: Writer, given: Sequence[str], jobs: int) -> Result:
    """Push the closures of some paths.

    Args:
        writer: as whom.
        given: store paths, or links to them.
        jobs: how many requests there are at a time.

    Raises:
        UsageError: something that was given is no store path.
        ClientError: nothing, or not all, was pushed, and this says why.
    """
    require_able_nix(writer)
    store_dir = writer.manifest.store_dir
    roots = list(dict.fromkeys(program.store_path(path, store_dir) for path in given))
    with Progress() as progress:
        return _pushed(_Push(writer, identify(writer), jobs, progress), roots)


def require_able_nix(writer: Writer) -> None:
    """Make sure that the Nix of this machine gets on with the cache.

    Raises:
        ClientError: there is none, or it is one with a known trap.
    """
    version = program.version()
    if version is None:
        return
    backend = writer.manifest.backend
    for trap in version_traps(version, backend, speaks_s3=True, environment=os.environ):
        raise ClientError(f"{trap.problem}: {trap.why}", trap.fix)


def _pushed(push: _Push, roots: Sequence[str]) -> Result:
    progress = push.progress
    progress.tell("asking Nix which paths there are")
    nar_bytes = program.closure(roots)
    bucket = Bucket(push.writer.manifest, push.identity, push.who, push.jobs)
    progress.tell(f"waiting for {push.writer.manifest.endpoint}")
    retry(bucket.require_access, progress.note)
    skipped = _held(bucket, list(nar_bytes), progress)
    missing = [path for path in nar_bytes if path not in skipped]
    total = sum(nar_bytes[path] for path in missing)
    started = time.monotonic()
    arrived: dict[str, Held] = {}
    if missing:
        progress.note(
            f"Pushing {len(missing)} of {len(nar_bytes)} paths ({size(total)}) "
            f"to {push.writer.record.name}"
        )
        retry(lambda: _copy(push, roots, total), progress.note)
        seconds = time.monotonic() - started
        arrived = _held(bucket, missing, progress)
        _require_all(missing, arrived)
    else:
        seconds = 0.0
    return Result(
        cache=push.writer.record.name,
        key_name=push.writer.key.name,
        pushed=list(arrived.values()),
        nar_bytes=total,
        skipped=list(skipped.values()),
        seconds=seconds,
    )


def _held(bucket: Bucket, paths: Sequence[str], progress: Progress) -> dict[str, Held]:
    def tell(count: int) -> None:
        progress.tell(f"asked the cache for {count} of {len(paths)} paths")

    return retry(lambda: bucket.held(paths, tell), progress.note)


def _copy(push: _Push, roots: Sequence[str], total: int) -> None:
    def tell(state: Copying) -> None:
        while state.warnings:
            push.progress.note(f"nix: {short(state.warnings.pop(0))}")
        if state.all_paths:
            push.progress.tell(
                f"pushed {state.done_paths} of {state.all_paths} paths, "
                f"{size(state.copied_bytes)} of {size(total)}"
            )

    copy(roots, push.identity, push.who, push.jobs, tell)


def _require_all(wanted: Sequence[str], arrived: dict[str, Held]) -> None:
    lost = [path for path in wanted if path not in arrived]
    if lost:
        raise ClientError(
            f"nix copy ended well, and the cache has no narinfo of {len(lost)} paths, such as "
            f"{lost[0]}",
            "look with `nix-cache doctor`, then push again",
        )
