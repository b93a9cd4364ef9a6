"""Runs the real `nix copy`."""

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import FrameType

from nix_cache.client import nix_program
from nix_cache.client.push.events import Copying
from nix_cache.client.push.identity import Identity
from nix_cache.client.push.refusals import Who, from_nix

_END_SECONDS = 5.0
_TERMINATED = 128 + signal.SIGTERM


def copy(
    paths: Sequence[str],
    identity: Identity,
    who: Who,
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
        _running(
            _command(identity.push_url, jobs),
            {**identity.environment, "XDG_CACHE_HOME": memory, "NIX_CACHE_HOME": memory},
        ) as nix,
    ):
        assert nix.stdin is not None  # for the type checker
        assert nix.stderr is not None
        with contextlib.suppress(BrokenPipeError), nix.stdin as asked:
            asked.writelines(f"{path}\n" for path in paths)
        state = Copying()
        for line in nix.stderr:
            state.read(line)
            progress(state)
        if nix.wait() != 0:
            raise from_nix("; ".join(state.errors), who)


def _command(url: str, jobs: int) -> list[str]:
    return [
        *(*nix_program.NIX, "copy", "--log-format", "internal-json"),
        *("--option", "http-connections", str(jobs), "--to", url, "--stdin"),
    ]


@contextlib.contextmanager
def _running(
    command: Sequence[str], environment: Mapping[str, str]
) -> Iterator["subprocess.Popen[str]"]:
    """A child that does not outlive this process, unless that is killed outright."""
    try:
        child = subprocess.Popen(
            command,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            process_group=0,  # so that what a wrapper of nix started ends with it
        )
    except FileNotFoundError:
        raise nix_program.no_nix() from None
    before = signal.signal(signal.SIGTERM, _terminated)
    try:
        yield child
    finally:
        signal.signal(signal.SIGTERM, before)
        _end(child)


def _terminated(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(_TERMINATED)


def _end(child: "subprocess.Popen[str]") -> None:
    if child.poll() is not None:
        return
    os.killpg(child.pid, signal.SIGTERM)
    try:
        child.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
