"""Temporary garbage collector roots: store paths stay while they are uploaded.

The root is that of a program of Nix which runs meanwhile, ``nix-store --serve``: asked for valid
paths with a lock, it adds a temporary root for each, through the daemon where there is one. So the
client needs no write access to Nix's folders. The root ends with that program, and the program ends
when its input does. That is so after ``kill -9`` of the client, too: all that may remain is the
program's file in Nix's folder ``temproots``, without a lock, which the next collection removes.

The protocol is that of ``ssh://`` stores: src/libstore/serve-protocol.hh of Nix 2.34. The command
used here has been the same since Nix 1.7, and Lix has it.
"""

import contextlib
import os
import struct
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO

from nix_cache.cli.errors import ClientError
from nix_cache.cli.limits import PROGRAM_ERROR_BYTES, PROGRAM_SECONDS
from nix_cache.cli.machine import child
from nix_cache.cli.nix import program
from nix_cache.formats.nar_writer import string

_COMMAND = ("nix-store", "--serve", "--write")
_CLIENT_MAGIC = 0x390C9DEB
_SERVER_MAGIC = 0x5452EECB
_VERSION = 2 << 8 | 5
"""The oldest that Nix itself still speaks. Later ones change other commands."""

_QUERY_VALID_PATHS = 1
_LOCK = 1
_DO_NOT_SUBSTITUTE = 0
_LONGEST_PATH = 4096


@contextmanager
def temp_root(paths: Sequence[str], environment: Mapping[str, str] = os.environ) -> Iterator[None]:
    """Keep store paths, with all that they need, from being collected within this block.

    Args:
        paths: store paths. What they refer to is kept with them.
        environment: Nix's.

    Raises:
        ClientError: some of them are not in the store, or Nix fails.
    """
    if not paths:
        yield
        return
    with contextlib.ExitStack() as stack:
        try:
            nix = stack.enter_context(child.started(_COMMAND, environment, stdout=subprocess.PIPE))
        except FileNotFoundError:
            raise program.no_nix() from None
        except OSError as failure:
            raise ClientError(
                f"{_COMMAND[0]} cannot be run: {failure.strerror}", "mend its installation"
            ) from None
        if gone := set(paths) - _locked(nix, paths):
            raise ClientError(
                f"not in this machine's store: {', '.join(sorted(gone))}",
                "build it first, or leave it out",
            )
        yield


def _locked(nix: "subprocess.Popen[bytes]", paths: Sequence[str]) -> set[str]:
    """Let a program hold roots for paths; returns those that are in the store."""
    limit = threading.Timer(PROGRAM_SECONDS, nix.kill)
    limit.daemon = True
    limit.start()
    try:
        return _answered(nix, paths)
    except (EOFError, BrokenPipeError):
        nix.kill()
        assert nix.stderr is not None  # for the type checker
        said = nix.stderr.read(PROGRAM_ERROR_BYTES).decode(errors="replace")
        raise program.failed(_COMMAND[0], said) from None
    finally:
        limit.cancel()


def _answered(nix: "subprocess.Popen[bytes]", paths: Sequence[str]) -> set[str]:
    """Ask for valid paths.

    Raises:
        EOFError: the answer is not one of this protocol.
        BrokenPipeError: the program ended.
    """
    assert nix.stdin is not None  # for the type checker
    assert nix.stdout is not None
    request = [_CLIENT_MAGIC, _VERSION, _QUERY_VALID_PATHS, _LOCK, _DO_NOT_SUBSTITUTE, len(paths)]
    nix.stdin.write(b"".join(map(_number, request)))
    nix.stdin.write(b"".join(string(os.fsencode(path)) for path in paths))
    nix.stdin.flush()
    if _read_number(nix.stdout) != _SERVER_MAGIC:
        raise EOFError
    _read_number(nix.stdout)  # its version
    count = _read_number(nix.stdout)
    if count > len(paths):
        raise EOFError
    return {_read_string(nix.stdout) for _ in range(count)}


def _number(value: int) -> bytes:
    return struct.pack("<Q", value)


def _read_number(stream: IO[bytes]) -> int:
    content = stream.read(8)
    if len(content) < 8:
        raise EOFError
    (value,) = struct.unpack("<Q", content)
    return int(value)


def _read_string(stream: IO[bytes]) -> str:
    length = _read_number(stream)
    if length > _LONGEST_PATH:
        raise EOFError
    content = stream.read(length + -length % 8)
    return os.fsdecode(content[:length])
