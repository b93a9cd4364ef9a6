"""One push, from the paths that were named to the check that all of it is in the cache.

The steps and their order are those of ``docs/reference/cache-protocol.md``.
"""

import functools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from nix_cache.cli.errors import ClientError
from nix_cache.cli.machine import console, interrupt
from nix_cache.cli.machine.parallel import in_parallel
from nix_cache.cli.machine.progress import Progress
from nix_cache.cli.machine.sizes import counted, size
from nix_cache.cli.nix.build_log import log_objects
from nix_cache.cli.nix.closure import roots as roots_of
from nix_cache.cli.nix.held_closure import HeldClosure, held_closure
from nix_cache.cli.nix.key_files import exposure_of
from nix_cache.cli.nix.realisations import realisations_of
from nix_cache.cli.s3.client import S3Client
from nix_cache.cli.s3.messages import Requester
from nix_cache.cli.s3.pace import RateLimit
from nix_cache.cli.s3.retry import retry
from nix_cache.cli.s3.transport import Transport
from nix_cache.cli.upload import collections
from nix_cache.cli.upload.beside import put_realisation
from nix_cache.cli.upload.bucket import Bucket
from nix_cache.cli.upload.held import Held
from nix_cache.cli.upload.identity import identify
from nix_cache.cli.upload.meter import Meter, Total
from nix_cache.cli.upload.narinfos import Narinfos
from nix_cache.cli.upload.objects import Objects
from nix_cache.cli.upload.options import UploadOptions
from nix_cache.cli.upload.report import Result
from nix_cache.cli.upload.supply import LocalStore, Supply, without_dependents
from nix_cache.cli.upload.uploader import Uploaded, Uploader
from nix_cache.cli.upload.upstream import (
    held_by_upstreams,
    left_references,
    signed_by_upstreams,
)
from nix_cache.cli.upload.writer import Writer
from nix_cache.formats.cache_object import CacheObject
from nix_cache.formats.narinfo import narinfo_key
from nix_cache.formats.path_info import PathInfo
from nix_cache.formats.root_record import RootRecord

_ROUNDS = 3
"""How often a push uploads what collections deleted meanwhile."""

MOST_PATHS = 500_000
"""Paths in a root record, so that it can be read again."""


def push(writer: Writer, given: Sequence[str], options: UploadOptions) -> Result:
    """Push the closures of some paths.

    Args:
        writer: as whom.
        given: store paths, or links to them.
        options: how to upload.

    Raises:
        UsageError: something that was given is not a store path.
        ClientError: nothing, or not all, was pushed, and this says why.
    """
    with held_closure(roots_of(given, writer.manifest.store_dir)) as closure:
        return push_closure(writer, closure, options)


def push_closure(writer: Writer, closure: HeldClosure, options: UploadOptions) -> Result:
    """Push a closure that is kept in the store.

    Args:
        writer: as whom.
        closure: what is pushed.
        options: how to upload.

    Raises:
        ClientError: nothing, or not all, was pushed, and this says why.
    """
    with Progress() as progress:
        session = Push(writer, options, progress)
        with interrupt.cleaning(session.abort):
            try:
                progress.tell("asking Nix which paths there are")
                infos = closure.infos()
                result = session.push(closure.roots, infos)
                session.push_further(closure.roots, infos, result)
                return result
            except BaseException:
                session.abort()
                raise


@functools.cache
def _warn_if_exposed(file: Path | None) -> None:
    """Report once that others can read a signing key."""
    if file is not None and (fault := exposure_of(file)) is not None:
        console.note(f"WARNING: {fault.problem}, so other users can sign; {fault.fix}.")


@dataclass
class _Counted:
    """What was uploaded so far.

    Attributes:
        uploaded: by store path.
        nar_bytes: the size of the NARs.
        seconds: how long it took.
    """

    uploaded: dict[str, Uploaded]
    nar_bytes: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Outside:
    """What pushed paths refer to, and what is not among these.

    Attributes:
        relied: store paths that the cache has to have already.
        upstream: by the URL of an upstream cache, the hashes of paths that it has.
    """

    relied: tuple[str, ...] = ()
    upstream: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


class Push:
    """A push under way.

    Args:
        writer: as whom.
        options: how to upload.
        progress: reports how far it is.
        supply: where NARs come from; the local store if None.
        signs: whether the writer's key signs. Else paths keep the signatures that they have.
    """

    def __init__(
        self,
        writer: Writer,
        options: UploadOptions,
        progress: Progress,
        supply: Supply | None = None,
        *,
        signs: bool = True,
    ) -> None:
        manifest, identity = writer.manifest, identify(writer)
        key = writer.key if signs else None
        if signs:
            _warn_if_exposed(writer.record.signing_key_file)
        who = Requester(
            writer.name, manifest.endpoint, manifest.bucket, writer.record.name, identity.origin
        )
        rate = options.bytes_per_second
        self._transport = Transport(jobs=options.jobs, rate=RateLimit(rate) if rate else None)
        client = S3Client.of(manifest, identity.credentials, self._transport)
        self._writer = writer
        self._options = options
        self._progress = progress
        self._supply = supply or LocalStore()
        self._bucket = Bucket(manifest, client, who, options.jobs, writer.current_keys, key)
        self.objects = Objects(client, who, options.part_bytes_of(manifest), progress.note)
        self.narinfos = Narinfos(client, who, progress.note)
        self._uploader = Uploader(
            self.objects, self.narinfos, key, manifest.public_keys, options, self._supply
        )

    @property
    def left_out(self) -> Mapping[str, str]:
        """By store path, why it was not pushed."""
        return self._uploader.left_out

    def abort(self) -> None:
        """Send nothing more, and abort uploads in parts."""
        self._transport.stop()
        self.objects.abort()

    def push_further(
        self, roots: Sequence[str], closure: Sequence[PathInfo], result: Result
    ) -> None:
        """Push what else the cache holds of paths that were named or uploaded.

        These are the realisations of content-addressed outputs, signed, and build logs on request.

        Args:
            roots: the store paths that were named.
            closure: all that they need.
            result: what was pushed of it.

        Raises:
            ClientError: the storage or Nix failed. The paths are in the cache.
        """
        chosen = {*roots, *(held.path for held in result.pushed)} - result.left.keys()
        infos = [info for info in closure if info.path in chosen]
        here = [info for info in closure if info.path not in result.left]
        for realisation in realisations_of(here if result.was_doubtful else infos):
            self._progress.tell(f"putting {realisation.key}")
            put_realisation(realisation, self._writer.key, self.narinfos, self._progress.note)
        if self._options.further.logs:
            for log in log_objects(infos):
                self._put(log)

    def _put(self, each: CacheObject) -> None:
        self._progress.tell(f"putting {each.key}")
        self.objects.put(each.key, each.content, each.content_type)

    def push(
        self, roots: Sequence[str], closure: Sequence[PathInfo], outside: Outside | None = None
    ) -> Result:
        """Push a closure.

        Args:
            roots: the store paths that were named.
            closure: all that they need, each path after its references.
            outside: what they need besides.

        Raises:
            ClientError: nothing, or not all, was pushed, and this says why.
        """
        outside = outside or Outside()
        left = self._left(closure)
        closure = [info for info in closure if info.path not in left]
        paths = [*(info.path for info in closure), *outside.relied]
        self.require_access()
        self._protect(roots, paths, {**left_references(closure, left), **outside.upstream})
        first = before = self._look()
        closure = self.supported(closure, outside)
        held = self.held(closure)
        broken = self._broken(set(roots), held, all_nars=before.leaves_doubt)
        skipped = {path: one for path, one in held.items() if path not in broken}
        done = _Counted({})
        missing = [info for info in closure if info.path not in skipped]
        for _ in range(_ROUNDS):
            self._upload(missing, len(closure), done, broken)
            skipped |= self._sign(closure, skipped)
            now = collections.when_ended(self._look, self._progress.tell)
            if not before.may_have_deleted(now):
                return self._result(done, skipped, left, broken, first)
            before = now
            self._require_relied(outside)
            missing = self._lost(closure, done)
            if not missing:
                return self._result(done, skipped, left, broken, first)
            skipped = {path: one for path, one in skipped.items() if path not in _paths(missing)}
            self._progress.note(
                f"A collection of the cache deleted {len(missing)} of these paths meanwhile; "
                "pushing them again"
            )
        raise ClientError(
            "collections of the cache deleted what was pushed, again and again",
            "let `nix-cache gc` run less often, or give it a larger --older-than",
        )

    def require_access(self) -> None:
        """Make sure that the writer may read what is always there.

        Raises:
            ClientError: the storage refused or did not answer, and this says why.
        """
        self._progress.tell(f"waiting for {self._writer.manifest.endpoint}")
        retry(self._bucket.require_access, self._progress.note)

    def supported(self, closure: Sequence[PathInfo], outside: Outside) -> list[PathInfo]:
        """Return those paths of which the cache has everything that they rely on.

        The others are left out from here on.

        Args:
            closure: paths, each after its references.
            outside: what they need besides.

        Raises:
            ClientError: the storage refused or did not answer.
        """
        for path in self._absent(outside.relied):
            self._uploader.left_out[path] = "it is in neither cache, nor in an upstream cache"
        return without_dependents(closure, self._uploader.left_out)

    def _absent(self, paths: Sequence[str]) -> list[str]:
        keys = {narinfo_key(path): path for path in paths}
        absent = retry(lambda: self._bucket.absent(sorted(keys)), self._progress.note)
        return sorted(keys[key] for key in absent)

    def _require_relied(self, outside: Outside) -> None:
        """Make sure that the cache still has what pushed paths rely on.

        Raises:
            ClientError: a collection deleted some of it.
        """
        gone = set(self._absent(outside.relied)) - self.left_out.keys()
        if gone:
            raise ClientError(
                f"a collection of the cache deleted {counted(len(gone), 'path')} that others rely "
                f"on, such as {min(gone)}",
                "push or mirror these first, then run this again",
            )

    def _left(self, closure: Sequence[PathInfo]) -> dict[str, str]:
        """Those paths that upstream caches have, with the URL of each."""
        upstreams, options = self._writer.manifest.upstreams, self._options
        if not upstreams or not options.leaves_to_upstreams:
            return {}
        if not options.asks_upstreams:
            return signed_by_upstreams(closure, upstreams)
        self._progress.tell("asking upstream caches which paths they have")
        return held_by_upstreams(
            [info.path for info in closure],
            upstreams,
            self._transport,
            options.jobs,
            self._progress.note,
        )

    def _protect(
        self,
        roots: Sequence[str],
        paths: Sequence[str],
        upstream: Mapping[str, tuple[str, ...]],
    ) -> None:
        if len(paths) > MOST_PATHS:
            raise ClientError(
                f"the closure has {len(paths):,} paths, more than {MOST_PATHS:,}",
                "push fewer paths at a time",
            )
        record = RootRecord(
            started=datetime.now(UTC).replace(microsecond=0),
            writer=self._writer.name,
            roots=tuple(path.rpartition("/")[2] for path in roots),
            paths=tuple(path.rpartition("/")[2][:32] for path in paths),
            upstream=upstream,
        )
        if not retry(lambda: self._bucket.protect(record), self._progress.note):
            self._progress.note(
                f"WARNING: {self._writer.name} may not write root records, so a `nix-cache gc` at "
                "the same time may delete what this push relies on. Run `pulumi up` on the stack "
                "with this version of the component."
            )

    def _look(self) -> collections.Seen:
        return retry(self._bucket.collections, self._progress.note)

    def held(self, infos: Sequence[PathInfo]) -> dict[str, Held]:
        """Return those of some paths that the cache has, by store path.

        Raises:
            ClientError: the storage refused or did not answer.
        """

        def report(count: int) -> None:
            self._progress.tell(f"asked the cache for {count} of {len(infos)} paths")

        return retry(lambda: self._bucket.held(infos, report), self._progress.note)

    def _broken(self, roots: set[str], held: Mapping[str, Held], *, all_nars: bool) -> set[str]:
        """Those paths of the cache that are uploaded again.

        The NAR of each costs a request, so that without ``--repair`` only those of the paths that
        were named are asked for, unless a collection may have left narinfos without theirs.
        """
        repairs = self._options.repairs
        asked = [one for path, one in held.items() if repairs or all_nars or path in roots]

        def report(count: int) -> None:
            self._progress.tell(f"asked the cache for {count} of {len(asked)} NARs")

        broken = retry(lambda: self._bucket.without_nar(asked, report), self._progress.note)
        if repairs:
            broken |= roots & held.keys()
            broken |= {path for path, one in held.items() if one.fault and not one.is_signable}
        if self._writer.manifest.expire_after_days:
            # A narinfo that is written now would outlive a NAR that was written earlier.
            broken |= {path for path, one in held.items() if one.is_signable}
        return broken

    def _sign(self, closure: Sequence[PathInfo], skipped: Mapping[str, Held]) -> dict[str, Held]:
        """Sign what lacks a signature, after what it refers to was uploaded."""
        infos = [info for info in closure if (one := skipped.get(info.path)) and one.is_signable]
        signed = {}
        asked = in_parallel(self._uploader.sign, infos, self._options.jobs)
        for count, (info, one) in enumerate(asked, start=1):
            if one is not None:
                signed[info.path] = replace(one, is_signed=True)
            self._progress.tell(f"signed {count} of {len(infos)} paths")
        return signed

    def _upload(
        self, missing: Sequence[PathInfo], of_paths: int, done: _Counted, broken: set[str]
    ) -> None:
        if not missing:
            return
        sizes = {info.path: info.nar_size for info in missing}
        nar_bytes = sum(sizes.values())
        if not self._options.has_events:
            self._progress.note(
                f"{self._supply.doing} {len(missing)} of {of_paths} paths ({size(nar_bytes)}) "
                f"to {self._writer.record.name}"
            )
        meter = Meter(
            Total(len(missing), nar_bytes),
            self._progress,
            has_events=self._options.has_events,
            done=self._supply.done,
        )
        started = time.monotonic()
        for uploaded in self._uploader.upload(missing, meter, broken):
            path = uploaded.held.path
            retry(functools.partial(self._bucket.require_readable, path), self._progress.note)
            if path not in done.uploaded:
                done.nar_bytes += sizes[path]
            done.uploaded[path] = uploaded
        done.seconds += time.monotonic() - started

    def _lost(self, closure: Sequence[PathInfo], done: _Counted) -> list[PathInfo]:
        """Those paths whose narinfo, or whose NAR that this push put, is not there any more."""
        there = self.held(closure)
        keys = {uploaded.nar_key for uploaded in done.uploaded.values()}
        gone = retry(lambda: self._bucket.absent(sorted(keys)), self._progress.note)
        without_nar = {path for path, one in done.uploaded.items() if one.nar_key in gone}
        lost = [info for info in closure if info.path not in there or info.path in without_nar]
        return [info for info in lost if info.path not in self.left_out]

    def _result(
        self,
        done: _Counted,
        skipped: Mapping[str, Held],
        left: Mapping[str, str],
        broken: set[str],
        first: collections.Seen,
    ) -> Result:
        return Result(
            cache=self._writer.record.name,
            key_name=self._writer.key.name,
            pushed=[uploaded.held for uploaded in done.uploaded.values()],
            nar_bytes=done.nar_bytes,
            skipped=list(skipped.values()),
            seconds=done.seconds,
            left=left,
            repaired=frozenset(broken & done.uploaded.keys()),
            was_doubtful=first.leaves_doubt,
        )


def _paths(infos: Sequence[PathInfo]) -> set[str]:
    return {info.path for info in infos}
