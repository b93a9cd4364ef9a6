"""The command that repairs a stack, as it can be typed where another command was."""

import shlex
import shutil
from pathlib import Path

from nix_cache.cli.errors import ClientError
from nix_cache.cli.stack.engine import PulumiStack, project_of


def repair_command(stack: PulumiStack, cache: str | None = None) -> str:
    """Return the command, quoted for a shell, with the options that it needs in this folder.

    Args:
        stack: the stack.
        cache: the cache that was named; None for all.
    """
    words = ["nix-cache", "stack", "repair", "--stack", stack.name]
    if _current_project() != stack.folder:
        words += ["--cwd", str(stack.folder)]
    on_path = shutil.which("pulumi")
    if on_path is None or Path(on_path).absolute() != Path(stack.pulumi):
        words += ["--pulumi", stack.pulumi]
    if cache is not None:
        words += ["--cache", cache]
    return shlex.join(words)


def _current_project() -> Path | None:
    try:
        return project_of(Path.cwd())
    except (ClientError, OSError):
        return None
