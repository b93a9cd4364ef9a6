"""Where NARs that are uploaded come from: the local store, unless a command has another source."""

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple, Protocol

from nix_cache.cli.upload.packing import Packed, compressed, new_compressor, packed
from nix_cache.formats.nar_writer import Entry, nar_chunks
from nix_cache.formats.narinfo_writer import NarFile
from nix_cache.formats.path_info import PathInfo

SMALL_BYTES = 1 << 16
"""Of a NAR that is compressed in less time than a hand-over to another thread takes."""


class LeftOutError(Exception):
    """A path is not uploaded, nor what refers to it. The message is the reason, a clause."""


def require_supported(info: PathInfo, left_out: Mapping[str, str]) -> None:
    """Leave out a path that refers to one that is left out.

    Args:
        info: the path.
        left_out: by store path, why it is left out.

    Raises:
        LeftOutError: it does.
    """
    for path in info.references:
        if path in left_out and path != info.path:
            raise LeftOutError(f"it refers to {path}, which is left out")


def without_dependents(infos: Sequence[PathInfo], left_out: dict[str, str]) -> list[PathInfo]:
    """Return the paths that refer to nothing that is left out. The others are left out, too.

    Args:
        infos: paths, each after its references.
        left_out: by store path, why it is left out; gets what is left out here.
    """
    kept = []
    for info in infos:
        if info.path in left_out:
            continue
        try:
            require_supported(info, left_out)
        except LeftOutError as reason:
            left_out[info.path] = str(reason)
        else:
            kept.append(info)
    return kept


class SmallNar(NamedTuple):
    """A compressed NAR in memory.

    Attributes:
        file: its hash and size.
        content: its bytes.
    """

    file: NarFile
    content: bytes


class Supply(Protocol):
    """A source of NARs. Several threads use it.

    Attributes:
        doing: what an upload from here is called, as in ``Pushing``.
        done: likewise, as in ``pushed``.
        largest_first: whether large NARs come first, so that nothing long is left at the end. Else
            each path comes after its references, so that a run that is killed leaves few NARs
            without a narinfo.
    """

    doing: str
    done: str
    largest_first: bool

    def is_quick(self, info: PathInfo) -> bool:
        """Return whether ``packed_in_memory`` provides a NAR, without waiting for anything."""
        ...

    def packed_in_memory(self, info: PathInfo) -> SmallNar:
        """Provide a small NAR. One thread calls this.

        Raises:
            ClientError: nothing more can be uploaded.
        """
        ...

    def packed(
        self, info: PathInfo, listing: list[Entry] | None, progress: Callable[[int], None]
    ) -> AbstractContextManager[Packed]:
        """Provide a NAR as a file, for as long as it is needed.

        Args:
            info: the path.
            listing: a list that gets the path's files, if the source knows them; None if they are
                not needed.
            progress: called with the number of bytes of the NAR that were read; negative if these
                are read again.

        Raises:
            LeftOutError: the path cannot be uploaded, and others can.
            ClientError: nothing more can be uploaded.
        """
        ...


class LocalStore:
    """The store of this machine."""

    doing = "Pushing"
    done = "pushed"
    largest_first = True

    def __init__(self) -> None:
        self._compressing = threading.Semaphore(max(1, os.cpu_count() or 1))
        self._compressor = new_compressor()

    def is_quick(self, info: PathInfo) -> bool:
        """Return whether a NAR is small."""
        return info.nar_size <= SMALL_BYTES

    def packed_in_memory(self, info: PathInfo) -> SmallNar:
        """Compress the NAR of a small path."""
        pieces: list[bytes] = []
        chunks = nar_chunks(Path(info.path))
        file = compressed(info, chunks, pieces.append, compressor=self._compressor)
        return SmallNar(file, b"".join(pieces))

    @contextlib.contextmanager
    def packed(
        self, info: PathInfo, listing: list[Entry] | None, progress: Callable[[int], None]
    ) -> Iterator[Packed]:
        """Compress the NAR of a path."""
        with contextlib.ExitStack() as held:
            with self._compressing:
                chunks = nar_chunks(Path(info.path), listing=listing)
                nar = held.enter_context(packed(info, chunks, progress))
            yield nar
