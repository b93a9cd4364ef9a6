"""A machine that pushes to a cache with this project's own command."""

import json
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.e2e.cache import WRITER, Cache
from tests.e2e.nix import Done, Nix

TIMEOUT_SECONDS = 200


class WritingMachine:
    """A machine on which `nix-cache use` made its user a writer.

    Args:
        nix: the machine.
        cache: what it pushes to.
        writer: as whom.
        address: host and port under which the machine reaches the storage, if not directly.
    """

    def __init__(
        self, nix: Nix, cache: Cache, writer: str = WRITER, address: str | None = None
    ) -> None:
        self.nix = nix
        self.cache = cache
        text = json.dumps(cache.outputs)
        if address is not None:
            server = cache.outputs["manifest"]["endpoint"].partition("//")[2]
            text = text.replace(server, address).replace(quote(server), quote(address))
        used = self.run("use", "-", "--user", "--yes", "--as", writer, input=text)
        assert used.exit_code == 0, used.output

    @property
    def settings(self) -> Path:
        """The folder of this project's own files."""
        return self.nix.home / ".config" / "nix" / "nix-cache"

    @property
    def key_file(self) -> Path:
        """The writer's signing key."""
        return next(self.settings.glob("*.sec"))

    def run(self, *arguments: str, input: str = "", **environment: str) -> Done:  # noqa: A002
        """Run `nix-cache`, whatever its outcome."""
        done = subprocess.run(
            [str(self.nix.bin / "nix-cache"), *arguments],
            env=self.environment(**environment),
            cwd=self.nix.home,
            input=input,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
        return Done(["nix-cache", *arguments], done.returncode, done.stdout, done.stderr)

    def push(self, *arguments: str, **options: Any) -> dict[str, Any]:
        """Push; it has to succeed. Return its output for programs."""
        done = self.run("push", "--json", *arguments, **options)
        assert done.exit_code == 0, done.output
        reported: dict[str, Any] = json.loads(done.out)
        return reported

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start `nix-cache` and go on."""
        return subprocess.Popen(
            [str(self.nix.bin / "nix-cache"), *arguments],
            env=self.environment(),
            cwd=self.nix.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def environment(self, **changes: str) -> dict[str, str]:
        """Return the user's environment."""
        return {**self.nix.environment, **changes}
