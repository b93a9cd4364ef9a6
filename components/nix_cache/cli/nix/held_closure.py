"""The closure of what is pushed: kept in the store, and asked of Nix while the client does more.

Nix's programs take as long to start as the client takes to load what uploads.
"""

import os
import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from nix_cache.cli.nix.closure import closure_of
from nix_cache.cli.nix.temp_root import temp_root
from nix_cache.formats.path_info import PathInfo

_END_SECONDS = 0.4
"""What Nix's programs get to end: less than an interrupted command has."""


@dataclass(frozen=True)
class HeldClosure:
    """Store paths with all that they need, which are not collected.

    Attributes:
        roots: the store paths.
        infos: waits for Nix, and returns all paths, each after its references; or raises a
            ``ClientError`` if some are not in the store, or if Nix fails. To be called once.
    """

    roots: Sequence[str]
    infos: Callable[[], list[PathInfo]]


@contextmanager
def held_closure(
    roots: Sequence[str], environment: Mapping[str, str] = os.environ
) -> Iterator[HeldClosure]:
    """Keep store paths, with all that they need, from being collected within this block.

    A thread waits for Nix meanwhile.

    Args:
        roots: store paths.
        environment: Nix's.
    """
    answers: queue.SimpleQueue[list[PathInfo] | Exception] = queue.SimpleQueue()
    over = threading.Event()

    def hold() -> None:
        try:
            with temp_root(roots, environment):
                answers.put(closure_of(roots, environment))
                over.wait()
        except Exception as failure:
            answers.put(failure)

    def infos() -> list[PathInfo]:
        answer = answers.get()
        if isinstance(answer, Exception):
            raise answer
        return answer

    # Not a daemon: the command ends what such a thread waits for, as if it were interrupted.
    thread = threading.Thread(target=hold, name="closure")
    thread.start()
    try:
        yield HeldClosure(roots, infos)
    finally:
        over.set()
        thread.join(_END_SECONDS)
