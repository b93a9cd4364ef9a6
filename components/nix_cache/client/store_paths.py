"""Store paths that somebody names in a file, one per line."""

import sys
from pathlib import Path

from nix_cache.client.errors import ClientError, UsageError
from nix_cache.narinfo import BASE_NAME


def hashes_in(file: Path) -> tuple[str, ...]:
    """The hashes of the paths in a file, each once.

    Args:
        file: its path; ``-`` for standard input.

    Raises:
        ClientError: it cannot be read.
        UsageError: a line is no store path.
    """
    name = "standard input" if str(file) == "-" else str(file)
    try:
        content = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        lines = content.decode().splitlines()
    except (OSError, UnicodeDecodeError) as failure:
        raise ClientError(f"{name} cannot be read: {failure}", "name another file") from None
    hashes = []
    for number, line in enumerate(lines, start=1):
        base_name = line.strip().rpartition("/")[2]
        if not base_name:
            continue
        if not BASE_NAME.fullmatch(base_name):
            raise UsageError(
                f"{name}:{number}: {line.strip()!r} is no store path",
                "give one per line, as `nix path-info --recursive` prints them",
            )
        hashes.append(base_name[:32])
    return tuple(dict.fromkeys(hashes))
