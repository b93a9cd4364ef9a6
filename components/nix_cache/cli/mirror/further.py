"""What a bucket has beside paths and that is copied, too: realisations, logs, listings, debug info.

Only an owner can list these. Of two caches that differ, the target keeps what it has.
"""

import contextlib
import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO

from nix_cache.cli.errors import ClientError
from nix_cache.cli.limits import ENCODING_DECODER_BYTES
from nix_cache.cli.machine.parallel import in_parallel
from nix_cache.cli.mirror.origin import (
    MISSING,
    OriginCache,
    UnreadableObjectError,
    UnusableUrlError,
)
from nix_cache.cli.mirror.verdict import MirrorTerms
from nix_cache.cli.nars.decompression import (
    NotDecompressedError,
    UnknownCompressionError,
    decoded,
)
from nix_cache.cli.upload.beside import put_debug_info
from nix_cache.cli.upload.narinfos import Narinfos
from nix_cache.cli.upload.objects import Objects
from nix_cache.cli.upload.packing import Packed
from nix_cache.formats.cache_object import JSON_TYPE, TEXT_TYPE, CacheObject
from nix_cache.formats.nar import BLOCK_BYTES, NarError
from nix_cache.formats.narinfo_writer import NarFile
from nix_cache.formats.nix_hash import NixHash
from nix_cache.formats.realisation import PREFIXES, Realisation, RealisationError
from nix_cache.formats.signing import SecretKey

LOG_PREFIX = "log/"
DEBUG_INFO_PREFIX = "debuginfo/"
LISTING_SUFFIX = ".ls"
FURTHER_BYTES = 500_000_000
"""The most that is copied of a log or a listing."""


@dataclass(frozen=True)
class TargetContents:
    """What the target has, after paths were copied.

    Attributes:
        names: the last parts of store paths.
        nars: by the URL of a NAR in the origin, its key in the target.
    """

    names: frozenset[str]
    nars: Mapping[str, str]

    @property
    def hashes(self) -> frozenset[str]:
        """The hashes of the paths."""
        return frozenset(name[:32] for name in self.names)


@dataclass
class Copied:
    """What came of it.

    Attributes:
        counts: by kind, how many objects the target has now.
        left_out: by key, why an object was not copied.
    """

    counts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("realisations", "logs", "listings", "debugInfo"), 0)
    )
    left_out: dict[str, str] = field(default_factory=dict)


class _LeftOutError(Exception):
    """An object is not copied. The message is the reason, a clause."""


class FurtherObjects:
    """Copies these objects.

    Args:
        origin: the cache that is copied, which is listed.
        objects: of the target.
        narinfos: of the target: changes objects that others may change.
        terms: what is trusted.
        key: what realisations are signed with; None to add no signature.
    """

    def __init__(
        self,
        origin: OriginCache,
        objects: Objects,
        narinfos: Narinfos,
        terms: MirrorTerms,
        key: SecretKey | None,
    ) -> None:
        self._origin = origin
        self._objects = objects
        self._narinfos = narinfos
        self._terms = terms
        self._key = key

    def copy(self, held: TargetContents, jobs: int, progress: Callable[[str], None]) -> Copied:
        """Copy all of them.

        Args:
            held: what the target has.
            jobs: how many at a time.
            progress: called with what is being done.

        Raises:
            ClientError: a storage refused or did not answer.
        """
        copied = Copied()
        tasks = {key: (kind, work) for key, kind, work in self._tasks(held)}

        def run(key: str) -> str | None:
            if {".", ".."} & set(key.split("/")):
                return "its key has a segment '.' or '..', which HTTP clients resolve"
            try:
                tasks[key][1](key)
            except (_LeftOutError, UnreadableObjectError, UnusableUrlError) as reason:
                return str(reason)
            return None

        for count, (key, problem) in enumerate(in_parallel(run, tasks, jobs), start=1):
            progress(f"copied {count:,} of {len(tasks):,} further objects")
            if problem is None:
                copied.counts[tasks[key][0]] += 1
            else:
                copied.left_out[key] = problem
        return copied

    def _tasks(self, held: TargetContents) -> Iterator[tuple[str, str, Callable[[str], None]]]:
        def realisation(key: str) -> None:
            self._realisation(key, held)

        def debug_info(key: str) -> None:
            self._debug_info(key, held)

        for key in self._keys(""):
            name = key.removesuffix(LISTING_SUFFIX)
            if name != key and name in held.hashes:
                yield key, "listings", lambda key: self._file(key, JSON_TYPE)
        for key in self._keys(LOG_PREFIX):
            yield key, "logs", lambda key: self._file(key, TEXT_TYPE)
        for key in self._keys(DEBUG_INFO_PREFIX):
            yield key, "debugInfo", debug_info
        for prefix in PREFIXES:
            for key in self._keys(prefix):
                yield key, "realisations", realisation

    def _keys(self, prefix: str) -> Iterator[str]:
        yield from self._origin.keys(lambda _: None, prefix)

    def _realisation(self, key: str, held: TargetContents) -> None:
        try:
            found = Realisation.parse_stored(key, self._content(key))
        except RealisationError as mistake:
            raise _LeftOutError(str(mistake)) from None
        if found.out_path not in held.names:
            raise _LeftOutError(f"the target does not have {found.out_path}")
        by_target = found.signers(self._terms.target_keys)
        if not by_target and not (self._key and found.signers(self._terms.origin_keys)):
            raise _LeftOutError("the target trusts none of its signatures")

        def merged(there: bytes | None) -> bytes | None:
            theirs = None if there is None else found.other(there)
            if theirs is not None and theirs.fingerprint != found.fingerprint:
                return None
            kept = found if theirs is None else found.with_signatures_of(theirs)
            return (kept.signed(self._key) if self._key else kept).cache_object().content

        now = self._narinfos.change(found.cache_object().key, merged)
        theirs = None if now is None else found.other(now)
        if theirs is not None and theirs.out_path != found.out_path:
            raise _LeftOutError(f"the target names {theirs.out_path}, not {found.out_path}")

    def _debug_info(self, key: str, held: TargetContents) -> None:
        try:
            document = json.loads(self._content(key))
        except (ValueError, RecursionError):
            raise _LeftOutError("it is not JSON") from None
        match document:
            case {"archive": str(archive), "member": str(member)}:
                nar = held.nars.get(archive.removeprefix("../"))
            case _:
                raise _LeftOutError("it names no NAR")
        if nar is None:
            raise _LeftOutError("the target does not have the path of its NAR")
        text = json.dumps(
            {"archive": f"../{nar}", "member": member},
            sort_keys=True,
            separators=(",", ":"),
            ensure_ascii=False,
        )
        entry = CacheObject(key, text.encode(errors="replace"), JSON_TYPE)
        put_debug_info(entry, self._narinfos, self._objects)

    def _content(self, key: str) -> bytes:
        content = self._origin.read(key)
        if content is None:
            raise _LeftOutError("it was deleted meanwhile")
        return content

    def _file(self, key: str, content_type: str) -> None:
        """Copy an object that is not signed, and that may be large."""
        if self._objects.has(key):
            return
        with tempfile.TemporaryFile(prefix="nix-cache-") as file:
            stored = self._spooled(key, file)
            file.flush()
            packed = Packed(stored, file.fileno())
            self._objects.put_file(key, packed, content_type, lambda _: None)

    def _spooled(self, key: str, file: IO[bytes]) -> NarFile:
        digest, size = hashlib.sha256(), 0
        with contextlib.ExitStack() as stack:
            response = stack.enter_context(self._origin.streamed(key))
            if response.status in MISSING:
                raise _LeftOutError("it was deleted meanwhile")
            if response.status != 200:
                raise ClientError(
                    f"{self._origin.name} answers {response.status} to reading {key}",
                    "run it again later: what was copied is skipped then",
                )
            encoding = response.headers.get("Content-Encoding")
            try:
                content = decoded(response, encoding, ENCODING_DECODER_BYTES)
                while chunk := content.read(BLOCK_BYTES):
                    size += len(chunk)
                    if size > FURTHER_BYTES:
                        raise _LeftOutError(f"it is larger than {FURTHER_BYTES:,} bytes")
                    digest.update(chunk)
                    file.write(chunk)
            except (UnknownCompressionError, NotDecompressedError, NarError) as mistake:
                raise _LeftOutError(str(mistake)) from None
        return NarFile(NixHash("sha256", digest.digest()), size)
