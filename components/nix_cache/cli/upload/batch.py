"""The steps of one upload, as they are scheduled: some by threads, small ones by one request."""

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from nix_cache.cli.machine.waker import Waker
from nix_cache.cli.s3.client import SmallPut
from nix_cache.cli.upload.meter import Meter
from nix_cache.cli.upload.objects import Objects
from nix_cache.cli.upload.schedule import Begun, Task
from nix_cache.cli.upload.supply import LeftOutError, require_supported
from nix_cache.formats.narinfo_writer import NarFile
from nix_cache.formats.path_info import PathInfo

if TYPE_CHECKING:
    from nix_cache.cli.upload.uploader import Uploaded, Uploader


class UploadBatch:
    """The steps of one upload, as ``in_order`` takes them.

    Args:
        uploader: does them.
        objects: sends the small requests.
        meter: counts what was uploaded.
        replaced: the paths of which the cache has a narinfo.
        jobs: how many requests there are at a time.

    Attributes:
        done: the paths whose narinfo is in the cache, until they are taken.
    """

    def __init__(
        self,
        uploader: "Uploader",
        objects: Objects,
        meter: Meter,
        replaced: Collection[str],
        jobs: int,
    ) -> None:
        self.done: dict[str, Uploaded] = {}
        self._uploader = uploader
        self._objects = objects
        self._meter = meter
        self._replaced = replaced
        self._jobs = jobs

    def put_nar(self, info: PathInfo) -> NarFile | None:
        """Put a NAR; None if the path is left out."""
        try:
            require_supported(info, self._uploader.left_out)
            return self._uploader.put_nar(info, self._meter)
        except LeftOutError as reason:
            self._uploader.left_out[info.path] = str(reason)
            return None

    def put_narinfo(self, info: PathInfo, file: NarFile | None) -> None:
        """Put a narinfo, unless the path is left out."""
        if not self._is_left_out(info, file):
            assert file is not None  # for the type checker
            is_new = info.path not in self._replaced
            self.done[info.path] = self._uploader.put_narinfo(info, file, is_new=is_new)

    def _is_left_out(self, info: PathInfo, file: NarFile | None) -> bool:
        if file is None:
            return True
        try:
            require_supported(info, self._uploader.left_out)
        except LeftOutError as reason:
            self._uploader.left_out[info.path] = str(reason)
            return True
        return False

    def is_quick(self, info: PathInfo) -> bool:
        """Return whether a NAR is sent as one small request."""
        return self._uploader.is_quick(info)

    def prepare(self, info: PathInfo, task: Task) -> Begun | None:
        """Begin to put a small NAR."""
        if self._uploader.left_out:  # what refers to it may have to be left out
            return None
        put, file = self._uploader.try_nar(info, task)

        def end() -> NarFile:
            self._meter.read(info.nar_size)
            self._meter.packed(info.nar_size, file.file_size)
            self._meter.sent(file.file_size)
            return file

        return Begun(put, end)

    def finish(self, info: PathInfo, file: NarFile | None, task: Task) -> Begun | None:
        """Begin to put a new narinfo."""
        if file is None or self._uploader.left_out or info.path in self._replaced:
            return None
        begun = self._uploader.try_narinfo(info, file, task)
        if begun is None:
            return None
        put, uploaded = begun

        def end() -> None:
            self.done[info.path] = uploaded

        return Begun(put, end)

    def send(
        self, puts: Iterator[SmallPut[Task] | None], waker: Waker
    ) -> Iterator[tuple[SmallPut[Task], bool] | None]:
        """Send small requests."""
        return self._objects.try_puts(puts, self._jobs, waker)
