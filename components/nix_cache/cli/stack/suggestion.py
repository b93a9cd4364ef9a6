"""Commands on a stack as they can be typed where another command was."""

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
    words = ["nix-cache", "stack", "repair", "--stack", stack.name, *_cwd(stack)]
    if not _is_on_path(stack.pulumi):
        words += ["--pulumi", stack.pulumi]
    if cache is not None:
        words += ["--cache", cache]
    return shlex.join(words)


def pulumi_command(stack: PulumiStack, *words: str) -> str:
    """Return a command of the engine on a stack, quoted for a shell.

    Args:
        stack: the stack.
        words: the command and its own options.
    """
    program = "pulumi" if _is_on_path(stack.pulumi) else stack.pulumi
    return shlex.join([program, *words, "--stack", stack.name, *_cwd(stack)])


def _cwd(stack: PulumiStack) -> list[str]:
    return [] if _current_project() == stack.folder else ["--cwd", str(stack.folder)]


def _is_on_path(pulumi: str) -> bool:
    found = shutil.which("pulumi")
    return found is not None and Path(found).absolute() == Path(pulumi)


def _current_project() -> Path | None:
    try:
        return project_of(Path.cwd())
    except (ClientError, OSError):
        return None
