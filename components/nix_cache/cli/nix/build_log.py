"""Build logs of a closure, as the installed Nix has them."""

import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping

from nix_cache.cli.limits import PROGRAM_SECONDS, TooLargeError
from nix_cache.cli.machine import child
from nix_cache.cli.nix import program
from nix_cache.formats.cache_object import TEXT_TYPE, CacheObject
from nix_cache.formats.path_info import PathInfo

_LOG = (*program.NIX, "log", "--option", "substituters", "", "--option", "extra-substituters", "")
"""Without caches: `nix log` would fetch a log that is not here from them."""


def log_objects(
    closure: Iterable[PathInfo], environment: Mapping[str, str] = os.environ
) -> Iterator[CacheObject]:
    """Yield the build log of each derivation that made a path of a closure.

    Nix looks for the log of a path under the name of its deriver. Derivations without a log, such
    as those that another machine built, are left out, and so are logs above the limit of what is
    read from a program.

    Args:
        closure: the paths.
        environment: Nix's.

    Raises:
        ClientError: Nix cannot be run.
    """
    for derivation in dict.fromkeys(info.deriver for info in closure if info.deriver):
        content = _log(derivation, environment)
        if content is not None:
            yield CacheObject(f"log/{derivation.rpartition('/')[2]}", content, TEXT_TYPE)


def _log(derivation: str, environment: Mapping[str, str]) -> bytes | None:
    try:
        done = child.run(
            [*_LOG, derivation], timeout_seconds=PROGRAM_SECONDS, environment=environment
        )
    except (subprocess.TimeoutExpired, TooLargeError):
        return None
    except FileNotFoundError:
        raise program.no_nix() from None
    return done.output if done.returncode == 0 else None
