"""A stack that is thrown away: in a folder of its own, with a state and a bucket of its own."""

import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from dev.place import Place, private_folder, write_private
from dev.stack import Stack
from dev.verify.backend import Backend
from toolchain import bootstrap
from toolchain.bootstrap import ROOT
from toolchain.engine import Engine

_PROGRAM = ("Pulumi.yaml", "__main__.py")


class ThrowAwayStack(Stack):
    """A public cache on a service, not up yet, that nothing protects.

    Args:
        folder: where its things are; made anew.
        engine: what runs its commands.
        backend: the service.
        environment: what the service's configuration is made of.
    """

    def __init__(
        self, folder: Path, engine: Engine, backend: Backend, environment: Mapping[str, str]
    ) -> None:
        self._own = Place(private_folder(folder))
        self.bucket = f"nix-cache-verify-{secrets.token_hex(6)}"
        for name in _PROGRAM:
            shutil.copy2(ROOT / name, folder / name)
        (folder / "policies").symlink_to(ROOT / "policies")
        bootstrap.provide(backend.name, folder / ".venv")
        self._config = {
            "nix-cache:backend": backend.name,
            "nix-cache:domain": "verify.example.org",
            "nix-cache:bucket": self.bucket,
            "nix-cache:protect": False,
            **backend.config(environment),
        }
        super().__init__(self._own, engine)
        self.set_public(True)
        self.prepare()

    def set_public(self, public: bool) -> None:
        """Make the cache public or private with the next `up`."""
        written: dict[str, Any] = {}
        if self._own.stack_config.exists():
            written = yaml.safe_load(self._own.stack_config.read_text())
        config = {**self._config, "nix-cache:public": public}
        write_private(self._own.stack_config, yaml.safe_dump({**written, "config": config}))

    def remove(self) -> None:
        """Remove all that it made, on the service and here.

        Raises:
            DevError: the service kept something; the folder with the state stays then.
        """
        self.destroy()
        shutil.rmtree(self._own.project)
