"""A copy of the program in its own folder, with a state, a passphrase and a stack."""

import json
import secrets
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.engine import command
from tests.engine.command import TIMEOUT_SECONDS, Result
from tests.engine.state import State
from tools.bootstrap import ROOT, VENV
from tools.engine import Engine

STACK = "test"

RETOLD = {"nix-cache-index.html": "update", "nix-cache-nix-cache.json": "update"}
"""What every change of a public cache's keys and users plans: its page and its manifest."""


_new_stacks: dict[Engine, Mapping[str, bytes]] = {}
"""By engine, the files of a stack with nothing in it. To make them takes half a second."""


@dataclass
class Project:
    """One program with one stack.

    Attributes:
        folder: where it is.
        engine: what runs it.
        config: the stack's configuration by full key; written before each command.
        environment: variables beside those that the engine needs.
    """

    folder: Path
    engine: Engine
    config: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)

    @classmethod
    def create(cls, folder: Path, engine: Engine, venv: Path = VENV) -> "Project":
        """Copy the program into a folder, for an environment, and make its stack."""
        folder.mkdir(parents=True)
        for name in ("Pulumi.yaml", "__main__.py"):
            shutil.copy2(ROOT / name, folder / name)
        (folder / ".venv").symlink_to(venv)
        (folder / "state").mkdir()
        (folder / "passphrase").write_text(secrets.token_hex(16))
        project = cls(folder, engine)
        project._make_stack()
        return project

    @property
    def stack_file(self) -> Path:
        """The stack's configuration file."""
        return self.folder / f"Pulumi.{STACK}.yaml"

    @property
    def state(self) -> State:
        """The stack's state, as long as it is in the project's folder."""
        return State(self.state_file, (self.folder / "passphrase").read_text())

    @property
    def state_file(self) -> Path:
        """The stack's state as the file backend keeps it."""
        return self.folder / "state" / ".pulumi" / "stacks" / "nix-cache" / f"{STACK}.json"

    def set(self, **settings: Any) -> None:
        """Set keys of the project ``nix-cache``; None takes one away."""
        for key, value in settings.items():
            if value is None:
                self.config.pop(f"nix-cache:{key}", None)
            else:
                self.config[f"nix-cache:{key}"] = value

    def set_secret(self, path: str, value: str) -> None:
        """Set something within a key of the project ``nix-cache`` as a secret, as a user does."""
        key = f"nix-cache:{path}"
        self.pulumi("config", "set", "--stack", STACK, "--secret", "--path", key, value)
        self._read_config()

    def set_config_secret(self, key: str, value: str) -> None:
        """Set a key of any package as a secret, as a user does."""
        self.pulumi("config", "set", "--stack", STACK, "--secret", key, value)
        self._read_config()

    def run(self, *arguments: str, timeout: float = TIMEOUT_SECONDS) -> Result:
        """Run a command of the engine, whatever its outcome."""
        self.write_config()
        return command.pulumi(self.engine, self.folder, self.variables(), arguments, timeout)

    def pulumi(self, *arguments: str, timeout: float = TIMEOUT_SECONDS) -> str:
        """Run a command of the engine that has to succeed; gives back what it printed."""
        return self.run(*arguments, timeout=timeout).checked(f"pulumi {' '.join(arguments)}").output

    def typed(self, line: str, answer: str = "", timeout: float = TIMEOUT_SECONDS) -> str:
        """Type a line into a shell that has the engine on PATH, and, when asked, the answer.

        It has to succeed; gives back what it printed. Questions whether to go on are answered yes.
        """
        self.write_config()
        done = subprocess.run(
            ["sh", "-euc", line],
            cwd=self.folder,
            env={**self.variables(), "PULUMI_SKIP_CONFIRMATIONS": "true", "NO_COLOR": "1"},
            input=answer,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == 0, f"{line} failed:\n{done.stdout}"
        self._read_config()
        return done.stdout

    def up(self, *options: str, timeout: float = TIMEOUT_SECONDS) -> str:
        """Bring the stack up, without the preview that a user sees before it: it takes time."""
        command = ("up", "--yes", "--skip-preview", "--stack", STACK)
        return self.pulumi(*command, *options, timeout=timeout)

    def preview(self, *options: str) -> str:
        """Preview the stack."""
        return self.pulumi("preview", "--stack", STACK, *options)

    def destroy(self) -> str:
        """Remove every resource.

        The MinIO provider ends itself now and then while it removes a bucket that has objects: it
        lists them until they are gone, and a list that fails with the bucket is fatal to it. A
        second run that looks at what is there is the way out of that, and of nothing else.
        """
        result = self.run("destroy", "--yes", "--stack", STACK)
        if "exited prematurely" in result.output:
            return self.pulumi("destroy", "--yes", "--refresh", "--stack", STACK)
        return result.checked("pulumi destroy").output

    def planned(self) -> dict[str, str]:
        """Return the operations of a preview by resource name, without unchanged resources."""
        steps = self._json("preview", "--stack", STACK, "--json")["steps"]
        return {
            step["urn"].rpartition("::")[2]: step["op"] for step in steps if step["op"] != "same"
        }

    def outputs(self, *, secrets: bool = False) -> dict[str, Any]:
        """Return the stack's outputs."""
        if self._is_kept_here:
            return self.state.outputs(secrets=secrets)
        options = ["--show-secrets"] if secrets else []
        return self._json("stack", "output", "--json", "--stack", STACK, *options)

    def resources(self) -> dict[str, dict[str, Any]]:
        """Return the state's resources by name."""
        if self._is_kept_here:
            found = self.state.resources()
        else:
            exported = self._json("stack", "export", "--stack", STACK)
            found = exported["deployment"].get("resources") or []
        return {resource["urn"].rpartition("::")[2]: resource for resource in found}

    def variables(self) -> dict[str, str]:
        """Return the environment of the engine's commands: nothing of the user's own Pulumi or AWS.

        The state is written without metadata, so that a run that is killed leaves it whole
        (see `tools.place`).
        """
        return {
            **self.engine.environment(command.clean_environment()),
            "PULUMI_BACKEND_URL": f"{(self.folder / 'state').as_uri()}?metadata=skip",
            "PULUMI_CONFIG_PASSPHRASE_FILE": str(self.folder / "passphrase"),
            **self.environment,
        }

    @property
    def _is_kept_here(self) -> bool:
        return "PULUMI_BACKEND_URL" not in self.environment

    def _make_stack(self) -> None:
        """Make the stack: the first one by the engine, further ones as copies of it."""
        if pattern := _new_stacks.get(self.engine):
            for name, content in pattern.items():
                (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
                (self.folder / name).write_bytes(content)
            return
        self.pulumi("stack", "init", STACK)
        parts = [self.folder / "passphrase", self.stack_file, *(self.folder / "state").rglob("*")]
        _new_stacks[self.engine] = {
            str(path.relative_to(self.folder)): path.read_bytes()
            for path in parts
            if path.is_file()
        }

    def _json(self, *arguments: str) -> dict[str, Any]:
        result = self.run(*arguments).checked(f"pulumi {' '.join(arguments)}")
        answer: dict[str, Any] = json.loads(result.stdout)
        return answer

    def _read_config(self) -> None:
        """Keep what the engine changed in the configuration."""
        self.config = yaml.safe_load(self.stack_file.read_text())["config"]

    def write_config(self) -> None:
        """Write the configuration again, keeping what the engine put beside it."""
        written: Mapping[str, Any] = {}
        if self.stack_file.exists():
            written = yaml.safe_load(self.stack_file.read_text()) or {}
        kept = {key: value for key, value in written.items() if key != "config"}
        self.stack_file.write_text(yaml.safe_dump({**kept, "config": self.config}))


def public_cache(folder: Path, engine: Engine, server_folder: Path, **settings: Any) -> Project:
    """Return a public cache on a server, not up yet, of a development stack."""
    made = Project.create(folder, engine)
    made.set(
        domain="cache.example.org",
        public=True,
        protect=False,
        minio={"connectionFile": str(server_folder / "connection.json")},
    )
    made.set(**settings)
    return made
