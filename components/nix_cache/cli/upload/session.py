"""One push, from the paths that were named to the check that all of it is in the cache.

The steps and their order are those of ``docs/reference/cache-protocol.md``.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from nix_cache.cli.errors import ClientError
from nix_cache.cli.machine import interrupt
from nix_cache.cli.machine.parallel import in_parallel
from nix_cache.cli.machine.progress import Progress
from nix_cache.cli.machine.sizes import size
from nix_cache.cli.nix.build_log import log_objects
from nix_cache.cli.nix.closure import roots as roots_of
from nix_cache.cli.nix.held_closure import HeldClosure, held_closure
from nix_cache.cli.nix.realisations import realisations_of
from nix_cache.cli.s3.client import S3Client
from nix_cache.cli.s3.messages import Requester
from nix_cache.cli.s3.pace import RateLimit
from nix_cache.cli.s3.transport import Transport
from nix_cache.cli.upload import collections
from nix_cache.cli.upload.beside import put_realisation
from nix_cache.cli.upload.bucket import Bucket
from nix_cache.cli.upload.held import Held
from nix_cache.cli.upload.identity import identify, warn_if_exposed
from nix_cache.cli.upload.meter import Meter, Total
from nix_cache.cli.upload.narinfos import Narinfos
from nix_cache.cli.upload.objects import Objects
from nix_cache.cli.upload.options import UploadOptions
from nix_cache.cli.upload.presence import Outside, Presence
from nix_cache.cli.upload.report import Result
from nix_cache.cli.upload.supply import LocalStore, Supply, without_dependents
from nix_cache.cli.upload.uploader import Uploaded, Uploader
from nix_cache.cli.upload.upstream import (
    left_references,
    left_to_upstreams,
)
from nix_cache.cli.upload.writer import Writer
from nix_cache.formats.cache_object import CacheObject
from nix_cache.formats.path_info import PathInfo

_ROUNDS = 3
"""How often a push uploads what collections deleted meanwhile."""


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
    with Progress(has_events=options.has_events) as progress:
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
            warn_if_exposed(writer.record.signing_key_file)
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
        bucket = Bucket(manifest, client, who, options.jobs, writer.current_keys, key)
        self.presence = Presence(bucket, writer, progress)
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
        upstreams = self._writer.manifest.upstreams
        left = left_to_upstreams(closure, upstreams, self._options, self._transport, self._progress)
        closure = [info for info in closure if info.path not in left]
        paths = [*(info.path for info in closure), *outside.relied]
        self.presence.require_access()
        upstream = {**left_references(closure, left), **outside.upstream}
        self.presence.protect(roots, paths, upstream)
        first = before = self.presence.collections()
        closure = self.supported(closure, outside)
        held = self.presence.held(closure)
        broken = self.presence.broken(
            set(roots), held, repairs=self._options.repairs, all_nars=before.leaves_doubt
        )
        skipped = {path: one for path, one in held.items() if path not in broken}
        done = _Counted({})
        missing = [info for info in closure if info.path not in skipped]
        for _ in range(_ROUNDS):
            self._upload(missing, len(closure), done, broken)
            skipped |= self._sign(closure, skipped)
            now = collections.when_ended(self.presence.collections, self._progress.note)
            if not before.may_have_deleted(now):
                return self._result(done, skipped, left, broken, first)
            before = now
            self.presence.require_relied(outside, self.left_out)
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

    def supported(self, closure: Sequence[PathInfo], outside: Outside) -> list[PathInfo]:
        """Return those paths of which the cache has everything that they rely on.

        The others are left out from here on.

        Args:
            closure: paths, each after its references.
            outside: what they need besides.

        Raises:
            ClientError: the storage refused or did not answer.
        """
        for path in self.presence.absent_paths(outside.relied):
            self._uploader.left_out[path] = "it is in neither cache, nor in an upstream cache"
        return without_dependents(closure, self._uploader.left_out)

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
            self.presence.require_readable(path)
            if path not in done.uploaded:
                done.nar_bytes += sizes[path]
            done.uploaded[path] = uploaded
        done.seconds += time.monotonic() - started

    def _lost(self, closure: Sequence[PathInfo], done: _Counted) -> list[PathInfo]:
        """Those paths whose narinfo, or whose NAR that this push put, is not there any more."""
        there = self.presence.held(closure)
        gone = self.presence.absent({uploaded.nar_key for uploaded in done.uploaded.values()})
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
