"""Commands on a stack as they can be typed where another command was."""

import shlex
import shutil
from pathlib import Path

from nix_cache.cli.commands import StackPlace
from nix_cache.cli.errors import ClientError
from nix_cache.cli.stack.engine import PulumiStack, project_of


def place_of(stack: PulumiStack) -> StackPlace:
    """Return what a command needs to act on a stack from the current folder."""
    return StackPlace(
        stack.name,
        None if _current_project() == stack.folder else stack.folder,
        None if _is_on_path(stack.pulumi) else stack.pulumi,
    )


def repair_command(stack: PulumiStack, cache: str | None = None) -> str:
    """Return the command, quoted for a shell, with the options that it needs in this folder.

    Args:
        stack: the stack.
        cache: the cache that was named; None for all.
    """
    command = place_of(stack).command("nix-cache", "stack", "repair")
    return command if cache is None else f"{command} --cache {shlex.quote(cache)}"


def pulumi_command(stack: PulumiStack, *words: str) -> str:
    """Return a command of the engine on a stack, quoted for a shell.

    Args:
        stack: the stack.
        words: the command and its own options.
    """
    return place_of(stack).command("pulumi", *words)


def _is_on_path(pulumi: str) -> bool:
    found = shutil.which("pulumi")
    return found is not None and Path(found).absolute() == Path(pulumi)


def _current_project() -> Path | None:
    try:
        return project_of(Path.cwd())
    except (ClientError, OSError):
        return None
