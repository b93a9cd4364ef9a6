"""One run of `nix-cache mirror`, from the list of the origin to the last object in the target.

``docs/reference/cache-protocol.md`` describes why both caches stay whole.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nix_cache.cli.caches import manifest_rules
from nix_cache.cli.caches.source import is_url, require_plain_url
from nix_cache.cli.caches.target import find_target
from nix_cache.cli.errors import ClientError, UsageError
from nix_cache.cli.machine import console, interrupt
from nix_cache.cli.machine.progress import Progress
from nix_cache.cli.mirror import report
from nix_cache.cli.mirror.further import FurtherObjects, TargetContents
from nix_cache.cli.mirror.gathering import Gathered, gather, in_order
from nix_cache.cli.mirror.nars import OriginNars
from nix_cache.cli.mirror.origin import OriginCache
from nix_cache.cli.mirror.pins import copy_pins, pins_at
from nix_cache.cli.mirror.report import Mirrored, Route
from nix_cache.cli.mirror.verdict import CopyablePath, MirrorTerms
from nix_cache.cli.s3.client import S3Client
from nix_cache.cli.s3.credentials import owner_identity
from nix_cache.cli.s3.messages import Requester
from nix_cache.cli.s3.transport import Transport
from nix_cache.cli.upload.options import UploadOptions
from nix_cache.cli.upload.pinning import Pinning
from nix_cache.cli.upload.presence import MOST_PATHS, Outside
from nix_cache.cli.upload.session import Push
from nix_cache.cli.upload.supply import without_dependents
from nix_cache.cli.upload.upstream import held_by_upstreams
from nix_cache.cli.upload.writer import Writer, find_writer
from nix_cache.formats import signing
from nix_cache.formats.manifest import Manifest
from nix_cache.formats.path_info import PathInfo
from nix_cache.formats.signing import KeyFormatError
from nix_cache.iam.lifecycle import NIX32

_NARINFO = ".narinfo"
_NARINFO_KEY = re.compile(rf"[{NIX32}]{{32}}\.narinfo")
_SHOWN = 3


@dataclass(frozen=True)
class MirrorRequest:
    """What was asked for.

    Attributes:
        origin: the cache to copy: its name here, a source, or the URL of any Nix cache.
        target: the cache in use here that gets the paths.
        hashes: of the store paths to copy with their closures; all paths if there are none.
        owner: a profile that may list and read the origin; None for anonymous requests.
        keys: further public keys of the origin.
        project: the folder of the stack's program; the current one if None.
        signs: whether the writer's key signs, too.
        dry_run: whether it is only printed.
        options: how to upload.
    """

    origin: str
    target: str
    hashes: tuple[str, ...]
    owner: str | None
    keys: tuple[str, ...]
    project: Path | None
    signs: bool
    dry_run: bool
    options: UploadOptions


def run(request: MirrorRequest, *, as_json: bool) -> bool:
    """Copy, and print what came of it.

    Args:
        request: what was asked for.
        as_json: whether the result is for programs.

    Returns:
        whether readers of the target get everything that was asked for.

    Raises:
        UsageError: the request makes no sense.
        ClientError: a storage refused or did not answer, or nothing can be copied so.
    """
    writer = find_writer(request.target)
    with Progress(has_events=as_json) as progress:
        origin, origin_keys = _origin(request, writer.manifest, progress)
        terms = MirrorTerms(
            store_dir=writer.manifest.store_dir,
            origin_keys=origin_keys,
            target_keys=tuple(writer.manifest.public_keys),
            signs=request.signs,
        )
        result = _Mirror(request, writer, origin, terms, progress).run()
    if as_json:
        console.document(report.document(result))
    else:
        report.print_result(result)
    return result.is_whole


class _Mirror:
    """A run under way."""

    def __init__(
        self,
        request: MirrorRequest,
        writer: Writer,
        origin: OriginCache,
        terms: MirrorTerms,
        progress: Progress,
    ) -> None:
        self._request = request
        self._writer = writer
        self._origin = origin
        self._terms = terms
        self._progress = progress
        key_name = writer.key.name if request.signs else None
        self._route = Route(origin.name, writer.record.name, key_name)
        self._found: dict[str, CopyablePath] = {}
        nars = OriginNars(origin, self._found, progress.note)
        self._push = Push(writer, request.options, progress, nars, signs=request.signs)

    def run(self) -> Mirrored:
        """Copy everything that was asked for."""
        with interrupt.cleaning(self._push.abort):
            try:
                return self._run()
            except BaseException:
                self._push.abort()
                raise

    def _run(self) -> Mirrored:
        progress, request = self._progress, self._request
        progress.tell(f"waiting for {self._origin.name}")
        self._origin.require_store(self._terms.store_dir)
        self._push.presence.require_access()
        gathered = gather(
            self._origin, self._hashes(), self._terms, request.options.jobs, progress.tell
        )
        self._require_signatures(gathered)
        self._found.update(gathered.found)
        left_out = gathered.left_out()
        if request.hashes:
            unknown = gathered.missing.intersection(request.hashes)
            left_out |= {f"{one}.narinfo": "the cache does not have it" for one in unknown}
        closure = without_dependents(in_order(gathered.found, left_out), left_out)
        outside = self._outside(gathered)
        if request.dry_run:
            return self._looked_at(closure, outside, left_out)
        return self._copied(closure, outside, left_out)

    def _hashes(self) -> Sequence[str]:
        if self._request.hashes:
            return self._request.hashes

        def report(count: int) -> None:
            self._progress.tell(f"listed {count:,} objects of {self._origin.name}")

        keys = self._origin.keys(report)
        return [key.removesuffix(_NARINFO) for key in keys if _NARINFO_KEY.fullmatch(key)]

    def _require_signatures(self, gathered: Gathered) -> None:
        """Make sure that readers of the target will take what is copied.

        Raises:
            ClientError: some paths lack nothing but a signature that the target trusts.
        """
        lacking = gathered.unsigned
        if not lacking:
            return
        names = sorted({one.signers for one in lacking})
        shown = ", ".join(one.name for one in lacking[:_SHOWN])
        more = f" and {len(lacking) - _SHOWN:,} more" if len(lacking) > _SHOWN else ""
        raise ClientError(
            f"{self._writer.record.name} trusts no signature of {shown}{more}, signed by "
            f"{'; '.join(names[:_SHOWN])}; nothing was copied",
            "add --sign to sign them with the writer's key; or list the origin's public key in "
            "`retiredPublicKeys` of the target's stack, then run `pulumi up` and `nix-cache use`",
        )

    def _outside(self, gathered: Gathered) -> Outside:
        """Find out where references are that the origin does not have."""
        absent, upstreams = gathered.absent, self._writer.manifest.upstreams
        if not absent:
            return Outside()
        self._progress.tell("asking upstream caches for references that the origin does not have")
        left = held_by_upstreams(
            absent,
            upstreams,
            Transport(jobs=self._request.options.jobs),
            self._request.options.jobs,
            self._progress.note,
            "have to be in the target",
        )
        by_url: dict[str, list[str]] = {}
        for path, url in left.items():
            by_url.setdefault(url, []).append(path.rpartition("/")[2][:32])
        return Outside(
            relied=tuple(path for path in absent if path not in left),
            upstream={url: tuple(sorted(hashes)) for url, hashes in by_url.items()},
        )

    def _looked_at(
        self, closure: Sequence[PathInfo], outside: Outside, left_out: dict[str, str]
    ) -> Mirrored:
        closure = self._push.supported(closure, outside)
        held = self._push.presence.held(closure)
        missing = [info for info in closure if info.path not in held]
        left_out |= self._push.left_out
        return Mirrored(
            route=self._route,
            copied=[info.path for info in missing],
            held=list(held.values()),
            left_out=left_out,
            upstream=[one for hashes in outside.upstream.values() for one in hashes],
            nar_bytes=sum(info.nar_size for info in missing),
            stored_bytes=_stored_bytes(missing, self._found),
            is_dry=True,
            refused=[one for one in held.values() if one.fault and not one.is_signable],
        )

    def _copied(
        self, closure: Sequence[PathInfo], outside: Outside, left_out: dict[str, str]
    ) -> Mirrored:
        if len(closure) > MOST_PATHS:
            raise ClientError(
                f"there are {len(closure):,} paths, more than {MOST_PATHS:,}",
                "copy them in parts: name some of them with --paths",
            )
        named = set(self._request.hashes)
        roots = [info.path for info in closure if info.base_name[:32] in named]
        done = self._push.push(roots, closure, outside)
        left_out |= self._push.left_out
        further = None
        if self._request.owner is not None and not self._request.hashes:
            there = [*done.pushed, *done.skipped]
            nars = {
                self._found[one.path].nar.url: one.url
                for one in there
                if one.url is not None and one.path in self._found
            }
            names = frozenset(one.path.rpartition("/")[2] for one in there)
            objects = FurtherObjects(
                self._origin,
                self._push.objects,
                self._push.narinfos,
                self._terms,
                self._writer.key if self._request.signs else None,
            )
            jobs = self._request.options.jobs
            copied = objects.copy(TargetContents(names, nars), jobs, self._progress.tell)
            pins = copy_pins(
                pins_at(self._origin),
                Pinning(self._writer, self._progress.note),
                self._push.narinfos,
                {one.path for one in there},
                self._progress.tell,
            )
            left_out |= copied.left_out | pins.left_out
            further = {**copied.counts, "pins": pins.count}
        return Mirrored(
            route=self._route,
            copied=[one.path for one in done.pushed],
            held=done.skipped,
            left_out=left_out,
            upstream=[one for hashes in outside.upstream.values() for one in hashes],
            nar_bytes=done.nar_bytes,
            stored_bytes=done.stored_bytes,
            seconds=done.seconds,
            further=further,
            refused=done.refused,
        )


def _stored_bytes(infos: Sequence[PathInfo], found: Mapping[str, CopyablePath]) -> int | None:
    sizes = [found[info.path].nar.file_size for info in infos]
    return None if None in sizes else sum(size for size in sizes if size is not None)


def _origin(
    request: MirrorRequest, target: Manifest, progress: Progress
) -> tuple[OriginCache, tuple[str, ...]]:
    """Return the cache that is copied, and its public keys.

    Raises:
        UsageError: it cannot be read so, or it is the target itself.
        ClientError: it cannot be found.
    """
    keys = tuple(map(_key, request.keys))
    transport = Transport(jobs=request.options.jobs)
    if request.owner is None and is_url(request.origin):
        require_plain_url(request.origin)
        url = request.origin.rstrip("/")
        if url in {target.read_url.rstrip("/"), manifest_rules.bucket_url(target)}:
            raise _same(request.origin)
        _require_paths(request, url)
        return _by_http(url, transport, url, progress), keys
    found = find_target(request.origin, request.project)
    manifest = found.manifest
    if manifest_rules.same_place(manifest, target):
        raise _same(request.origin)
    keys += tuple(manifest.public_keys)
    if request.owner is not None:
        found.require_place_for_owner()
        return _by_owner(request.owner, request, manifest, transport, progress), keys
    if not manifest.public:
        raise UsageError(
            f"the cache {request.origin} is private",
            "give --from-owner PROFILE, a credentials profile that can read it",
        )
    _require_paths(request, request.origin)
    return _by_http(manifest.read_url.rstrip("/"), transport, request.origin, progress), keys


def _by_http(url: str, transport: Transport, name: str, progress: Progress) -> OriginCache:
    return OriginCache(S3Client(transport, url, "us-east-1"), transport, name, progress.note)


def _by_owner(
    owner: str, request: MirrorRequest, manifest: Manifest, transport: Transport, progress: Progress
) -> OriginCache:
    client = S3Client.of(manifest, owner_identity(owner), transport)
    who = Requester(owner, manifest.endpoint, manifest.bucket)
    name, jobs = request.origin, request.options.jobs
    return OriginCache(client, transport, name, progress.note, who, manifest.bucket, jobs)


def _require_paths(request: MirrorRequest, name: str) -> None:
    if not request.hashes:
        raise UsageError(
            f"{name} cannot be listed without a credential, so its paths are not known",
            "name store paths, or a file with a list of them by --paths; or give --from-owner "
            "PROFILE for your own cache",
        )


def _same(name: str) -> UsageError:
    return UsageError(f"{name} is the target itself", "name two caches")


def _key(text: str) -> str:
    try:
        signing.parse_public_key(text)
    except KeyFormatError as mistake:
        raise UsageError(
            f"--from-key {text!r} is not a public key: {mistake}",
            "give NAME:BASE64, as it stands in trusted-public-keys",
        ) from None
    return text.strip()
