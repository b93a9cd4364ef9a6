"""Commands that messages name, completed so that they run as printed, whatever the message."""

import contextlib
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nix_cache.cli.errors import ClientError

_ON_STACKS = re.compile(
    r"`(?P<words>pulumi (?:cancel|config|destroy|import|preview|refresh|stack|state|up)\b[^`]*"
    r"|nix-cache stack (?:drift|renew|repair)\b[^`]*)`"
)
"""The commands that act on one stack, as messages name them."""

_NAMES_ONE = re.compile(r"(^|\s)(--stack|-s)\b")


@dataclass(frozen=True)
class StackPlace:
    """A stack, and what a command needs to act on it from the current folder.

    Attributes:
        name: the stack's.
        folder: of its program; None if that is the current one or is not known.
        pulumi: the program `pulumi`, if it is not the one on PATH.
    """

    name: str
    folder: Path | None = None
    pulumi: str | None = None

    def command(self, *words: str) -> str:
        """Return a command of `pulumi` or of `nix-cache stack`, quoted for a shell.

        Args:
            words: the command and its own options.
        """
        program, *rest = words
        options = ["--stack", self.name]
        if self.folder is not None:
            options += ["--cwd", str(self.folder)]
        if self.pulumi is not None:
            if program == "pulumi":
                program = self.pulumi
            else:
                options += ["--pulumi", self.pulumi]
        return shlex.join([program, *rest, *options])


def completed(text: str, place: StackPlace | None) -> str:
    """Return a text in which each command on a stack names the stack that is meant.

    Args:
        text: of a message, with commands in backticks.
        place: the stack; None if it is not known. The text then stays as it is.
    """
    if place is None:
        return text

    def complete(found: re.Match[str]) -> str:
        words = found["words"]
        if _NAMES_ONE.search(words):
            return found[0]
        return f"`{place.command(*shlex.split(words))}`"

    return _ON_STACKS.sub(complete, text)


@contextlib.contextmanager
def completing(place: StackPlace | None) -> Iterator[None]:
    """Let the errors that arise within name the stack that is meant.

    Args:
        place: the stack; None if it is not known.
    """
    try:
        yield
    except ClientError as failure:
        failure.problem, failure.fix = (
            completed(text, place) for text in (failure.problem, failure.fix)
        )
        failure.args = (f"{failure.problem}; {failure.fix}",)
        raise
