"""Runs the real `nix copy`."""

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence

from nix_cache.cli.limits import TIMES
from nix_cache.cli.machine import child, interrupt
from nix_cache.cli.nix import program
from nix_cache.cli.s3.messages import Requester
from nix_cache.cli.upload.events import Copying
from nix_cache.cli.upload.identity import Identity
from nix_cache.cli.upload.nix_errors import from_nix

_ATTEMPTS = 3
_LINE_BYTES = 1_000_000


def copy(
    paths: Sequence[str],
    identity: Identity,
    who: Requester,
    jobs: int,
    progress: Callable[[Copying], None] = lambda _: None,
) -> None:
    """Copy closures into the cache, signing what is not there yet.

    Args:
        paths: store paths; what they need goes along.
        identity: as whom, and where to.
        who: the same, for messages.
        jobs: how many requests there are at a time.
        progress: is told how far it is.

    Raises:
        ClientError: it failed, and this says why.
        BusyError: the storage was busy.
    """
    with (
        # Nix remembers narinfos for 30 days, by the bucket's name, and would not push again what
        # was deleted meanwhile. A time to live of 0 helps too, but then it asks thrice for each.
        tempfile.TemporaryDirectory(prefix="nix-cache-") as memory,
        interrupt.cleaning(lambda: shutil.rmtree(memory, ignore_errors=True)),
        _started(
            _command(identity.push_url, jobs),
            {**identity.environment, "XDG_CACHE_HOME": memory, "NIX_CACHE_HOME": memory},
        ) as nix,
    ):
        assert nix.stdin is not None  # for the type checker
        assert nix.stderr is not None
        with contextlib.suppress(BrokenPipeError), nix.stdin as asked:
            asked.writelines(f"{path}\n".encode() for path in paths)
        state = Copying()
        while line := nix.stderr.readline(_LINE_BYTES):
            state.read(line.decode(errors="replace"))
            progress(state)
        if nix.wait() != 0:
            raise from_nix("; ".join(state.errors), who)


def _command(url: str, jobs: int) -> list[str]:
    return [
        *(*program.NIX, "copy", "--log-format", "internal-json"),
        *("--option", "connect-timeout", f"{TIMES.connect_seconds:.0f}"),
        # Nix gives up a transfer of less than one byte a second, and tries it again so many times.
        *("--option", "stalled-download-timeout", f"{TIMES.stalled_seconds / _ATTEMPTS:.0f}"),
        *("--option", "download-attempts", str(_ATTEMPTS)),
        *("--option", "http-connections", str(jobs), "--to", url, "--stdin"),
    ]


@contextlib.contextmanager
def _started(
    command: Sequence[str], environment: Mapping[str, str]
) -> Iterator["subprocess.Popen[bytes]"]:
    try:
        with child.started(command, environment, stdout=subprocess.DEVNULL) as nix:
            yield nix
    except FileNotFoundError:
        raise program.no_nix() from None
