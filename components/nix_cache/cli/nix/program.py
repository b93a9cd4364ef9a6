"""The real Nix of this machine: its version, and its store's paths."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from nix_cache.cli.errors import ClientError, UsageError
from nix_cache.cli.limits import PROGRAM_SECONDS, TooLargeError
from nix_cache.cli.machine import child
from nix_cache.cli.nix.store_paths import followed
from nix_cache.cli.nix.versions import InstalledNix, installed
from nix_cache.formats.narinfo import BASE_NAME

NIX = ("nix", "--extra-experimental-features", "nix-command")
_TIMEOUT_SECONDS = 60.0


def version(environment: Mapping[str, str] = os.environ) -> InstalledNix | None:
    """Return the installed Nix; None of an unknown one.

    Raises:
        ClientError: there is no Nix, or it does not run.
    """
    return installed(ask(["nix", "--version"], environment))


def ask(
    command: Sequence[str], environment: Mapping[str, str] = os.environ, lines: Sequence[str] = ()
) -> str:
    """Return what one of Nix's programs prints.

    Args:
        command: the program and its arguments.
        environment: its.
        lines: what it reads.

    Raises:
        ClientError: there is no such program, or it fails.
    """
    try:
        done = _run(command, environment, lines, PROGRAM_SECONDS)
    except subprocess.TimeoutExpired:
        raise ClientError(
            f"{command[0]} did not end within {PROGRAM_SECONDS:.0f} s",
            "see what it waits for, such as a lock of another Nix, and run the command again",
        ) from None
    except TooLargeError as reason:
        raise ClientError(
            f"what {command[0]} prints {reason}", "ask for fewer paths at a time"
        ) from None
    except FileNotFoundError:
        raise no_nix() from None
    except OSError as failure:
        raise ClientError(
            f"{command[0]} cannot be run: {failure.strerror}", "mend its installation"
        ) from None
    if done.returncode != 0:
        raise failed(command[0], done.stderr)
    return done.stdout


def failed(name: str, stderr: str) -> ClientError:
    """Return the failure of one of Nix's programs, in its own words.

    Args:
        name: the program's.
        stderr: what it printed on standard error.
    """
    said = stderr.strip().splitlines() or ["it did not say why"]
    errors = [line for line in said if line.startswith("error:")] or said[-1:]
    return ClientError(
        f"{name} failed: {errors[0].removeprefix('error:').strip()}",
        "mend that and run the command again",
    )


def output(
    command: Sequence[str],
    environment: Mapping[str, str] = os.environ,
    *,
    timeout_seconds: float = _TIMEOUT_SECONDS,
) -> str | None:
    """Return what one of Nix's programs prints; None if it is missing, fails or hangs.

    Args:
        command: the program and its arguments.
        environment: its.
        timeout_seconds: after how long it is taken to hang.
    """
    done = attempt(command, environment, timeout_seconds=timeout_seconds)
    return done.stdout if done is not None and done.returncode == 0 else None


def attempt(
    command: Sequence[str],
    environment: Mapping[str, str] = os.environ,
    *,
    timeout_seconds: float = _TIMEOUT_SECONDS,
) -> child.Done | None:
    """Return how one of Nix's programs ended; None if it is missing or hangs.

    Args:
        command: the program and its arguments.
        environment: its.
        timeout_seconds: after how long it is taken to hang.
    """
    try:
        return _run(command, environment, (), timeout_seconds)
    except (OSError, subprocess.TimeoutExpired, TooLargeError):
        return None


def _run(
    command: Sequence[str],
    environment: Mapping[str, str],
    lines: Sequence[str],
    timeout_seconds: float,
) -> child.Done:
    given = "".join(f"{line}\n" for line in lines)
    return child.run(command, timeout_seconds=timeout_seconds, environment=environment, given=given)


def no_nix() -> ClientError:
    """Return the mistake that there is no Nix."""
    return ClientError("there is no nix on PATH", "install Nix 2.18 or newer, or put it on PATH")


_GIVE_PATHS = (
    "give store paths or links such as ./result, and a cache with --cache; for anything else "
    "`nix build --no-link --print-out-paths … | nix-cache push --stdin`"
)


def store_path(given: str, store_dir: str, fix: str = _GIVE_PATHS) -> str:
    """Return the store path that is named, or that is the target of a named link.

    Args:
        given: a path, such as ``./result`` or one within a store path.
        store_dir: the store's folder.
        fix: what to give instead.

    Raises:
        UsageError: it leads nowhere into the store.
    """
    for path in followed(given):
        if path.is_relative_to(store_dir) and path != Path(store_dir):
            name = path.relative_to(store_dir).parts[0]
            if BASE_NAME.fullmatch(name):
                return f"{store_dir}/{name}"
            break
    shown = given if given.strip() else repr(given)
    raise UsageError(f"{shown} is neither a path in {store_dir} nor a link to one", fix)


def invalid(paths: Sequence[str], environment: Mapping[str, str] = os.environ) -> list[str]:
    """Those of some paths that are not in the store.

    Raises:
        ClientError: Nix cannot be asked.
    """
    gone: list[str] = []
    for start in range(0, len(paths), _ARGUMENTS):
        some = paths[start : start + _ARGUMENTS]
        printed = ask(["nix-store", "--check-validity", "--print-invalid", *some], environment)
        gone += printed.split()
    return gone


_ARGUMENTS = 500
"""Paths in one call: at most 250 characters each, and Linux allows two megabytes."""
