"""Uploads store paths: each NAR, then its narinfo after those of its references."""

import os
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from nix_cache.cli.errors import ClientError
from nix_cache.cli.upload.beside import put_debug_info
from nix_cache.cli.upload.held import Held, judge, states_same
from nix_cache.cli.upload.meter import Meter
from nix_cache.cli.upload.narinfos import Narinfos
from nix_cache.cli.upload.objects import Objects
from nix_cache.cli.upload.options import UploadOptions
from nix_cache.cli.upload.packing import is_large, packed
from nix_cache.cli.upload.schedule import Steps, in_order
from nix_cache.formats.nar_listing import debug_info_objects, listing_object
from nix_cache.formats.nar_writer import Entry, nar_chunks
from nix_cache.formats.narinfo import Narinfo, NarinfoError, narinfo_key
from nix_cache.formats.narinfo_writer import (
    NAR_CONTENT_TYPE,
    NarFile,
    merged_signatures,
    signed_again,
    signed_narinfo,
)
from nix_cache.formats.path_info import PathInfo
from nix_cache.formats.signing import SecretKey

LARGE_AT_A_TIME = 2


@dataclass(frozen=True)
class Uploaded:
    """A path that was uploaded.

    Attributes:
        held: the path, as the cache has it now.
        nar_key: the key of its NAR.
    """

    held: Held
    nar_key: str


class Uploader:
    """Uploads store paths.

    Args:
        objects: puts objects into the bucket.
        narinfos: changes narinfos.
        key: what to sign with.
        public_keys: those that readers trust.
        options: how many paths there are at a time, and what is put beside NARs.
    """

    def __init__(
        self,
        objects: Objects,
        narinfos: Narinfos,
        key: SecretKey,
        public_keys: Sequence[str],
        options: UploadOptions,
    ) -> None:
        self._objects = objects
        self._narinfos = narinfos
        self._key = key
        self._public_keys = public_keys
        self._jobs = options.jobs
        self._further = options.further
        self._compressing = threading.Semaphore(max(1, os.cpu_count() or 1))
        self._large = threading.Semaphore(LARGE_AT_A_TIME)

    def upload(
        self, infos: Sequence[PathInfo], meter: Meter, replaced: Collection[str] = ()
    ) -> Iterator[Uploaded]:
        """Upload some paths.

        Args:
            infos: the paths, each after its references. References that are not among them are in
                the cache, or in an upstream cache.
            meter: counts what was uploaded.
            replaced: the paths among them of which the cache has a narinfo.

        Yields:
            each path when its narinfo is in the cache.

        Raises:
            ClientError: one cannot be uploaded. All narinfos in the cache are whole.
        """
        numbers = {info.path: number for number, info in enumerate(infos)}
        needs = {
            number: {
                numbers[path] for path in info.references if path in numbers and path != info.path
            }
            for number, info in enumerate(infos)
        }
        done: dict[str, Uploaded] = {}

        def put_nar(info: PathInfo) -> NarFile:
            return self._put_nar(info, meter)

        def put_narinfo(info: PathInfo, file: NarFile) -> None:
            is_new = info.path not in replaced
            done[info.path] = self._put_narinfo(info, file, is_new=is_new)

        steps = Steps(put_nar, put_narinfo, lambda info: info.nar_size)
        for info in in_order(steps, infos, needs, self._jobs):
            meter.finished()
            yield done.pop(info.path)

    def _put_nar(self, info: PathInfo, meter: Meter) -> NarFile:
        listing: list[Entry] | None = [] if self._further.needs_listing else None
        with ExitStack() as held:
            if is_large(info):
                held.enter_context(self._large)
            with self._compressing:
                chunks = nar_chunks(Path(info.path), listing=listing)
                nar = held.enter_context(packed(info, chunks, meter.read))
            self._objects.put_file(nar.file.key, nar, NAR_CONTENT_TYPE, meter.sent)
        for root in listing or ():
            self._put_beside(info, nar.file.key, root)
        return nar.file

    def _put_beside(self, info: PathInfo, nar_key: str, root: Entry) -> None:
        """Put what is asked for beside a NAR. Names that JSON cannot hold have no listing."""
        if self._further.listings and (listing := listing_object(info.path, root)) is not None:
            self._objects.put(listing.key, listing.content, listing.content_type)
        if self._further.debug_info:
            for entry in debug_info_objects(nar_key, root):
                put_debug_info(entry, self._narinfos, self._objects)

    def sign(self, info: PathInfo) -> Held | None:
        """Add a signature to a narinfo that states what the store holds.

        Returns:
            the path as the cache has it now; None if its narinfo is gone.

        Raises:
            ClientError: the storage refused or did not answer.
        """

        def signed(there: bytes | None) -> bytes | None:
            try:
                if there is None or not states_same(Narinfo.parse(there), info):
                    return None
                return signed_again(there, self._key, self._public_keys)
            except NarinfoError:
                return None

        content = self._narinfos.change(narinfo_key(info.path), signed)
        return None if content is None else judge(info.path, content, self._public_keys)

    def _put_narinfo(self, info: PathInfo, file: NarFile, *, is_new: bool) -> Uploaded:
        try:
            wanted = signed_narinfo(info, file, self._key)
        except NarinfoError as mistake:
            raise ClientError(
                f"the store's database holds something of {info.path} that Nix does not read: "
                f"{mistake}",
                "check the store with `nix-store --verify`",
            ) from None

        def merged(there: bytes | None) -> bytes:
            if there is None:
                return wanted
            others = merged_signatures(there, Narinfo.parse(wanted), self._public_keys)
            signatures = tuple(dict.fromkeys([*info.signatures, *others]))
            return signed_narinfo(replace(info, signatures=signatures), file, self._key)

        content = self._narinfos.change(narinfo_key(info.path), merged, is_new=is_new)
        assert content is not None  # for the type checker
        return Uploaded(judge(info.path, content, self._public_keys, info, key=self._key), file.key)
