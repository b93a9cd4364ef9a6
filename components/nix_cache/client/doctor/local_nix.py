"""The Nix of this machine, asked without changing anything."""

import subprocess
from collections.abc import Mapping, Sequence

_TIMEOUT_SECONDS = 60.0

NIX = ("nix", "--extra-experimental-features", "nix-command")


def output(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    timeout_seconds: float = _TIMEOUT_SECONDS,
) -> str | None:
    """What a command prints; None if there is none of that name, or it fails or hangs."""
    try:
        done = subprocess.run(
            command,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_seconds,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
