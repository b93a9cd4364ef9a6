"""A throw-away stack in its own folder, with its own state and bucket."""

import json
import secrets
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from nix_cache.cli.errors import ClientError
from nix_cache.cli.stack.engine import PulumiStack
from nix_cache.cli.stack.suggestion import pulumi_command
from nix_cache.cli.stack.verify.backend import Backend

_NAME = "verify"

_PROGRAM = "from nix_cache.verified_program import run\n\nrun()\n"


class ThrowAwayStack(PulumiStack):
    """A public cache on a service, not up yet, that nothing protects.

    Its program runs in the environment of this process, which has the package.

    Args:
        folder: the folder for its files, which ``prepare`` makes.
        pulumi: the path of the program ``pulumi``.
        backend: the service.
        environment: the variables of the commands, and what the configuration is made of.
    """

    def __init__(
        self, folder: Path, pulumi: str, backend: Backend, environment: Mapping[str, str]
    ) -> None:
        self._state, self._passphrase = folder / "state", folder / "passphrase"
        self._is_there = False
        self._own = {
            "PULUMI_BACKEND_URL": self._state.as_uri(),
            "PULUMI_CONFIG_PASSPHRASE_FILE": str(self._passphrase),
        }
        kept = {n: v for n, v in environment.items() if n != "PULUMI_CONFIG_PASSPHRASE"}
        super().__init__(folder, _NAME, pulumi, {**kept, **self._own})
        self.bucket = f"nix-cache-verify-{secrets.token_hex(6)}"
        self._settings = {
            "nix-cache:backend": backend.name,
            "nix-cache:domain": "verify.example.org",
            "nix-cache:bucket": self.bucket,
            "nix-cache:protect": False,
            **backend.config(environment),
        }

    def prepare(self) -> None:
        """Make the stack, public and not up yet.

        Raises:
            ClientError: the engine cannot make it.
        """
        self.folder.mkdir(mode=0o700)
        self._state.mkdir()
        self._passphrase.touch(0o600)
        self._passphrase.write_text(secrets.token_urlsafe(32))
        project = {
            "name": "nix-cache",
            "runtime": {
                "name": "python",
                "options": {"toolchain": "pip", "virtualenv": sys.prefix},
            },
        }
        (self.folder / "Pulumi.yaml").write_text(json.dumps(project))  # JSON is YAML, too
        (self.folder / "__main__.py").write_text(_PROGRAM)
        self.run("stack", "init", _NAME, quiet=True)
        self._is_there = True
        self._salt = self._file.read_text()
        self.set_public(True)

    @property
    def _file(self) -> Path:
        return self.folder / f"Pulumi.{_NAME}.yaml"

    def set_public(self, public: bool) -> None:
        """Make the cache public or private with the next `up`."""
        config = json.dumps({**self._settings, "nix-cache:public": public})
        self._file.write_text(f"{self._salt.rstrip()}\nconfig: {config}\n")

    def _destroying(self) -> str:
        """Return the command that removes the rest, for a shell in any folder."""
        own = [f"{name}={value}" for name, value in self._own.items()]
        # If it is set, it counts before the file.
        environment = shlex.join(["env", "-u", "PULUMI_CONFIG_PASSPHRASE", *own])
        return f"{environment} {pulumi_command(self, 'destroy')}"

    def remove(self) -> None:
        """Remove all that it made, on the service and here, also if it was prepared only in part.

        Raises:
            ClientError: the service kept something; the folder with the state stays then.
        """
        if self._is_there:
            try:
                self.destroy()
            except ClientError as failure:
                raise ClientError(
                    failure.problem,
                    f"correct what it reports, then remove the rest with `{self._destroying()}`, "
                    f"and delete {self.folder.parent}",
                ) from None
        shutil.rmtree(self.folder, ignore_errors=not self._is_there)
