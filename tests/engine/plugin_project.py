"""Stacks in other languages, which have the component by its plugin."""

import secrets
import shutil
from pathlib import Path

import yaml

from nix_cache.backends.minio.connection import Connection
from offline import builds
from tests.engine.examples import type_the_readme
from tests.engine.project import STACK, Project
from tools import bootstrap
from tools.bootstrap import ROOT, cache_folder
from tools.engine import Engine, place
from tools.server import LocalServer

BUILD_SECONDS = 1800
"""A limit for tests that may be the first on a machine to need a language host."""


INSTALL_SECONDS = 900
"""A limit for commands that install the plugin's environment, which the official host does."""


class PluginProject(Project):
    """A stack of one of the examples, beside a copy of the plugin."""

    @classmethod
    def of_example(cls, name: str, folder: Path, engine: Engine) -> "PluginProject":
        """Copy an example into a folder that is two below the plugin's, and make its stack."""
        shutil.copytree(ROOT / "examples" / name, folder)
        (folder / "state").mkdir()
        (folder / "passphrase").write_text(secrets.token_hex(16))
        project = cls(folder, engine)
        project.pulumi("stack", "init", STACK)
        project.config[f"{project.name}:protect"] = False
        return project

    def use_server(self, server: LocalServer) -> None:
        """Let the cache go to a MinIO server."""
        known = server.connection()
        self.config |= {
            f"{self.name}:endpoint": server.url,
            "minio:minioServer": known.server,
            "minio:minioUser": known.user,
        }
        self.set_config_secret("minio:minioPassword", known.password)

    @property
    def name(self) -> str:
        """The name of its Pulumi project."""
        return str(yaml.safe_load((self.folder / "Pulumi.yaml").read_text())["name"])

    @property
    def state_file(self) -> Path:
        """The stack's state as the file backend keeps it."""
        return self.folder / "state" / ".pulumi" / "stacks" / self.name / f"{STACK}.json"

    def type_readme(self, connection: Connection) -> None:
        """Type what the example's README says, with a server that is there."""
        here = {
            "https://minio.example.org": connection.url,
            "minio.example.org": connection.server,
            "minioSsl true": "minioSsl false",
            "ADMINISTRATOR": connection.user,
        }
        type_the_readme(self, self.folder.name, here, connection.password, INSTALL_SECONDS)

    def rewrite(self, *changes: tuple[str, str]) -> None:
        """Change the program: each of the texts, which it has to have, to another one."""
        file = self.folder / "Pulumi.yaml"
        text = file.read_text()
        for old, new in changes:
            assert old in text, f"{old!r} is not in {file}"
            text = text.replace(old, new)
        file.write_text(text)


def copy_plugin(folder: Path, backend: str = "minio") -> Path:
    """Return a copy of the plugin whose environment has what a cache on one backend needs.

    That of all backends would make the engine look for the plugins of all their providers.
    """
    left_out = shutil.ignore_patterns("venv", "__pycache__", "*.egg-info", "dist")
    shutil.copytree(ROOT / "components", folder, ignore=left_out)
    bootstrap.provide(backend, folder / "venv")
    return folder


def add_language(engine: Engine, language: str) -> None:
    """Let an engine have a language host that is built on demand, unless it has one."""
    name = f"pulumi-language-{language}"
    target = engine.bin_dirs[0] / name
    if not target.exists():
        # From beside itself the engine takes it without a warning.
        place(builds.ensure([name], cache_folder())[name], target)
