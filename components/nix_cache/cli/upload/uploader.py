"""Uploads store paths: each NAR, then its narinfo after those of its references."""

import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from nix_cache.cli.errors import ClientError
from nix_cache.cli.s3.client import SmallPut
from nix_cache.cli.upload.batch import UploadBatch
from nix_cache.cli.upload.beside import put_debug_info
from nix_cache.cli.upload.held import Held, judge, states_same
from nix_cache.cli.upload.meter import Meter
from nix_cache.cli.upload.narinfos import Narinfos
from nix_cache.cli.upload.objects import Objects
from nix_cache.cli.upload.options import UploadOptions
from nix_cache.cli.upload.packing import is_large
from nix_cache.cli.upload.schedule import Steps, Task, in_order
from nix_cache.cli.upload.supply import LocalStore, Supply
from nix_cache.formats.nar_listing import debug_info_objects, listing_object
from nix_cache.formats.nar_writer import Entry
from nix_cache.formats.narinfo import Narinfo, NarinfoError, narinfo_key
from nix_cache.formats.narinfo_writer import (
    NAR_CONTENT_TYPE,
    NarFile,
    follows_from_address,
    merged_signatures,
    signed_again,
    signed_narinfo,
    with_signatures,
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
        key: what to sign with; None to add the signatures that paths have, and no other.
        public_keys: those that readers trust.
        options: how many paths there are at a time, and what is put beside NARs.
        supply: where NARs come from; the local store if None.

    Attributes:
        left_out: by store path, why it was not uploaded.
    """

    def __init__(
        self,
        objects: Objects,
        narinfos: Narinfos,
        key: SecretKey | None,
        public_keys: Sequence[str],
        options: UploadOptions,
        supply: Supply | None = None,
    ) -> None:
        self.left_out: dict[str, str] = {}
        self._supply = supply or LocalStore()
        self._objects = objects
        self._narinfos = narinfos
        self._key = key
        self._public_keys = public_keys
        self._jobs = options.jobs
        self._has_rate = options.bytes_per_second is not None
        self._further = options.further
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
            each path when its narinfo is in the cache, but those that are left out.

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
        batch = UploadBatch(self, self._objects, meter, replaced, self._jobs)

        def size(info: PathInfo) -> int:
            return info.nar_size if self._supply.largest_first else 0

        steps = Steps(batch.put_nar, batch.put_narinfo, size, batch)
        for info in in_order(steps, infos, needs, self._jobs):
            meter.finished()
            if info.path in batch.done:
                yield batch.done.pop(info.path)

    def is_quick(self, info: PathInfo) -> bool:
        """Return whether a NAR is sent as one small request, and nothing beside it."""
        return (
            not self._has_rate and not self._further.needs_listing and self._supply.is_quick(info)
        )

    def try_nar(self, info: PathInfo, task: Task) -> tuple[SmallPut[Task], NarFile]:
        """Return the first request for a small NAR.

        Raises:
            ClientError: the path cannot be uploaded.
        """
        nar = self._supply.packed_in_memory(info)
        return Objects.small_put(nar.file.key, nar.content, NAR_CONTENT_TYPE, task), nar.file

    def put_nar(self, info: PathInfo, meter: Meter) -> NarFile:
        """Put a NAR, and what is asked for beside it.

        Raises:
            LeftOutError: the path cannot be uploaded, and others can.
            ClientError: it cannot be uploaded, or the storage refused or did not answer.
        """
        listing: list[Entry] | None = [] if self._further.needs_listing else None
        with ExitStack() as held:
            if is_large(info):
                held.enter_context(self._large)
            nar = held.enter_context(self._supply.packed(info, listing, meter.read))
            meter.packed(info.nar_size, nar.file.file_size)
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
                if self._key is None:
                    return with_signatures(there, info.signatures, self._public_keys)
                return signed_again(there, self._key, self._public_keys)
            except NarinfoError:
                return None

        content = self._narinfos.change(narinfo_key(info.path), signed)
        return None if content is None else judge(info.path, content, self._public_keys)

    def try_narinfo(
        self, info: PathInfo, file: NarFile, task: Task
    ) -> tuple[SmallPut[Task], Uploaded] | None:
        """Return the first request for a narinfo that is new, and what it makes of the path.

        Returns:
            None if more than this request has to be made.

        Raises:
            ClientError: the path cannot be uploaded.
        """
        if not self._narinfos.is_protected:
            return None
        content = self._signed(info, file)
        put = self._narinfos.small_put(narinfo_key(info.path), content, task)
        return put, self._uploaded(info, content, file, wanted=content)

    def put_narinfo(self, info: PathInfo, file: NarFile, *, is_new: bool) -> Uploaded:
        """Put a narinfo, with the signatures that the cache has of it.

        Raises:
            ClientError: the path cannot be uploaded, or the storage refused or did not answer.
        """
        wanted = self._signed(info, file)

        def merged(there: bytes | None) -> bytes:
            if there is None:
                return wanted
            others = merged_signatures(there, Narinfo.parse(wanted), self._public_keys)
            signatures = tuple(dict.fromkeys([*info.signatures, *others]))
            return signed_narinfo(replace(info, signatures=signatures), file, self._key)

        content = self._narinfos.change(narinfo_key(info.path), merged, is_new=is_new)
        assert content is not None  # for the type checker
        return self._uploaded(info, content, file, wanted=wanted)

    def _signed(self, info: PathInfo, file: NarFile) -> bytes:
        try:
            return signed_narinfo(info, file, self._key)
        except NarinfoError as mistake:
            raise ClientError(
                f"the store's database holds something of {info.path} that Nix does not read: "
                f"{mistake}",
                "check the store with `nix-store --verify`",
            ) from None

    def _uploaded(
        self, info: PathInfo, content: bytes, file: NarFile, *, wanted: bytes
    ) -> Uploaded:
        is_ours = content == wanted and self._key is not None
        if is_ours and (info.ca is None or follows_from_address(info)):
            held = Held(info.path, file.file_size, None, file.key)
        else:
            held = judge(info.path, content, self._public_keys, info, key=self._key)
        return Uploaded(held, file.key)
