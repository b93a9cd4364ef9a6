"""A stack: the engine's commands on it. That of development is made and checked here as well."""

import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from dev.errors import DevError
from dev.place import STACK, Place, private_folder, write_private
from nix_cache.config.problems import SettingsError
from nix_cache.config.stack import checked_settings
from toolchain.engine import Engine

_FOUND = "resOutputsEvent"
"""The kind of event by which the engine tells what it found of a resource."""

_SALT = re.compile(r"^encryptionsalt: .*\n?", re.MULTILINE)


def variables(place: Place) -> dict[str, str]:
    """What the engine's commands need beside PATH. No value in it is a secret."""
    return {
        "PULUMI_BACKEND_URL": place.backend,
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(place.passphrase_file),
        # Somebody may restore the configuration, which takes the salt away; the state has it too.
        "PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER": "true",
        "PULUMI_SUPPRESS_NEO_LINK": "true",
    }


class Stack:
    """A stack of one clone's program: that of development, or another one.

    Args:
        place: where the clone's things are.
        engine: what runs its commands.
        name: the stack's name. Where the state of another one than that of development is, and
            what its secrets are encrypted with, is told by the environment as for any `pulumi`.
    """

    def __init__(self, place: Place, engine: Engine, name: str = STACK) -> None:
        self.name = name
        self._place = place
        self._engine = engine
        self._environment = engine.environment(os.environ)
        is_told_elsewhere = {"PULUMI_BACKEND_URL", "PULUMI_ACCESS_TOKEN"} & set(os.environ)
        if self.is_of_development or (self.exists and not is_told_elsewhere):
            self._environment |= variables(place)
        if self.is_of_development:
            self._environment.pop("PULUMI_CONFIG_PASSPHRASE", None)

    @property
    def is_of_development(self) -> bool:
        """Whether it is the one that `make` makes and removes."""
        return self.name == STACK

    @property
    def exists(self) -> bool:
        """Whether the clone's own file backend has it."""
        return any(self._place.state.glob(f".pulumi/stacks/*/{self.name}.json"))

    def check_config(self) -> None:
        """Check the configuration as a whole, before the engine looks at single types.

        Raises:
            DevError: there are mistakes; it names all of them.
        """
        try:
            checked_settings(configured(self._place.project, self._place.stack_config))
        except SettingsError as mistakes:
            raise DevError(str(mistakes), f"correct {self._place.stack_config.name}") from None

    def prepare(self) -> None:
        """Make the passphrase and the stack, if they are not there.

        The stack's encryption salt goes into its configuration, where the engine looks for it.
        """
        if not self._place.passphrase_file.exists():
            write_private(self._place.passphrase_file, secrets.token_urlsafe(32))
        private_folder(self._place.state)
        if not self.exists:
            self.forget_salt()
            self._write_salt(self._init())
        elif not _SALT.search(self._place.stack_config.read_text()):
            self._write_salt(self._salt_of_state())

    def _init(self) -> str:
        """Make the stack; returns its salt, and leaves the configuration as it was written."""
        config = self._place.stack_config
        written = config.read_text()
        try:
            self._run("stack", "init", STACK, quiet=True)
            return str(yaml.safe_load(config.read_text())["encryptionsalt"])
        finally:
            config.write_text(written)  # the engine writes the whole file in a form of its own

    def _salt_of_state(self) -> str:
        exported = json.loads(self._run("stack", "export", "--stack", STACK, quiet=True))
        return str(exported["deployment"]["secrets_providers"]["state"]["salt"])

    def _write_salt(self, salt: str) -> None:
        config = self._place.stack_config
        written = config.read_text().rstrip("\n")
        config.write_text(f"{written}\nencryptionsalt: {salt}\n")

    def forget_salt(self) -> None:
        """Take the encryption salt out of the configuration again."""
        config = self._place.stack_config
        config.write_text(_SALT.sub("", config.read_text()))

    def up(self, *, refresh: bool = False) -> dict[str, int]:
        """Bring the stack up; returns how many resources were changed in which way.

        Args:
            refresh: whether to look at what is really there first.
        """
        options = ["--refresh"] if refresh else []
        self._run(
            *("up", "--yes", "--stack", self.name),
            *(
                "--suppress-outputs",
                "--suppress-permalink=true",
                *self._place.policy_options(self.name),
                *options,
            ),
        )
        return self._last_changes()

    def preview(self) -> None:
        """Show what `up` would do."""
        self._run(
            *("preview", "--stack", self.name, "--diff", "--suppress-permalink=true"),
            *self._place.policy_options(self.name),
        )

    def destroy(self) -> None:
        """Remove every resource, and then the stack; its configuration stays."""
        self._run("destroy", "--yes", "--stack", self.name, "--suppress-permalink=true")
        self._run("stack", "rm", self.name, "--yes", "--preserve-config", quiet=True)

    def outputs(self, *, secrets: bool = False) -> dict[str, Any]:
        """The stack's outputs.

        Args:
            secrets: whether secret ones come in clear; else they are masked.
        """
        options = ["--show-secrets"] if secrets else []
        answer: dict[str, Any] = json.loads(
            self._run("stack", "output", "--json", "--stack", self.name, *options, quiet=True)
        )
        return answer

    def state(self, *, secrets: bool = False) -> dict[str, Any]:
        """The state: its resources, and the operations that an interrupted run left pending.

        Args:
            secrets: whether secret values come in clear; else they are encrypted.
        """
        options = ["--show-secrets"] if secrets else []
        exported = json.loads(
            self._run("stack", "export", "--stack", self.name, *options, quiet=True)
        )
        found: dict[str, Any] = exported["deployment"]
        return found

    def settle(self) -> bool:
        """Take out of the state what an interrupted run had begun; returns whether there was any.

        The engine itself would keep it, and warn of it, whatever became of it since. Importing what
        was exported is its own way to let go of that.
        """
        if not self.state().get("pending_operations"):
            return False
        with tempfile.TemporaryDirectory() as folder:
            file = str(Path(folder) / "state.json")
            self._run("stack", "export", "--stack", self.name, "--file", file, quiet=True)
            self._run("stack", "import", "--stack", self.name, "--file", file, quiet=True)
        return True

    def resources(self) -> list[dict[str, Any]]:
        """The state's resources, secrets encrypted."""
        found: list[dict[str, Any]] = self.state().get("resources", [])
        return found

    def configuration(self) -> dict[str, str]:
        """The configuration with the project's defaults, secrets in clear, as a program gets it."""
        told = self._run("config", "--json", "--show-secrets", "--stack", self.name, quiet=True)
        return {key: entry["value"] for key, entry in json.loads(told).items() if "value" in entry}

    def refresh_steps(self) -> list[dict[str, Any]]:
        """What a refresh would find, resource by resource, secrets masked. Nothing is written.

        The engine tells it as events: its one document leaves out what a provider does not detail.
        """
        told = self._run(
            *("refresh", "--preview-only", "--json", "--stack", self.name),
            quiet=True,
            variables={"PULUMI_ENABLE_STREAMING_JSON_PREVIEW": "true"},
        )
        events = map(json.loads, told.splitlines())
        return [event[_FOUND]["metadata"] for event in events if _FOUND in event]

    def disposable_buckets(self) -> list[str]:
        """The names of the buckets that may be deleted with all that is in them."""
        return [
            resource["id"]
            for resource in self.resources()
            if resource["type"] == "minio:index/s3Bucket:S3Bucket"
            and resource["inputs"].get("forceDestroy")
            and not resource.get("protect")
        ]

    def forget(self, urn: str) -> None:
        """Drop a resource, and what depends on it, from the state. Nothing is deleted."""
        self._run(
            *("state", "delete", urn, "--stack", self.name),
            *("--yes", "--force", "--target-dependents"),
            quiet=True,
        )

    def _last_changes(self) -> dict[str, int]:
        history = json.loads(
            self._run(
                *("stack", "history", "--json", "--stack", self.name, "--page-size", "1"),
                quiet=True,
            )
        )
        changes: dict[str, int] = history[0].get("resourceChanges") or {}
        return {operation: count for operation, count in changes.items() if operation != "same"}

    def _run(
        self, *arguments: str, quiet: bool = False, variables: Mapping[str, str] | None = None
    ) -> str:
        """Run one command. Its output goes to the user, or, if quiet, comes back."""
        command = [str(self._engine.pulumi), *arguments]
        if not sys.stdout.isatty() or quiet:
            command += ["--non-interactive", "--color", "never"]
        done = _run_to_its_end(
            command,
            cwd=self._place.project,
            env={**self._environment, **(variables or {})},
            stdin=subprocess.DEVNULL if quiet else None,
            stdout=subprocess.PIPE if quiet else None,
            stderr=subprocess.PIPE if quiet else None,
            text=True,
        )
        if done.returncode:
            said = "; see above"
            if quiet:
                # Indented, for a line of what servers said must not look like one of ours.
                printed = textwrap.indent((done.stderr or done.stdout).strip(), "  | ")
                said = f":\n{printed}"
            raise DevError(
                f"pulumi {' '.join(arguments[:2])} failed{said}",
                "correct what it names, then run the same command again",
            )
        return done.stdout or ""


def _run_to_its_end(command: list[str], **options: Any) -> "subprocess.CompletedProcess[str]":
    """Run a command, and after Ctrl-C let it end by itself.

    The terminal interrupts the engine too, which then finishes what it is at and frees its lock.
    ``subprocess.run`` would kill it after a quarter of a second.
    """
    interrupted = False
    process = subprocess.Popen(command, **options)
    while True:
        try:
            out, err = process.communicate()
        except KeyboardInterrupt:
            interrupted = True
        else:
            break
    if interrupted:
        raise KeyboardInterrupt
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def configured(project: Path, stack_config: Path) -> Mapping[str, str]:
    """A stack's configuration with the project's defaults, as the engine hands it to a program.

    Encrypted values are left out where they stand alone, and opaque within a list or an object.
    """
    declared = yaml.safe_load((project / "Pulumi.yaml").read_text()).get("config", {})
    defaults = {key: entry["default"] for key, entry in declared.items() if "default" in entry}
    written = (yaml.safe_load(stack_config.read_text()) or {}).get("config") or {}
    values = {**defaults, **written}
    return {
        key: value if isinstance(value, str) else json.dumps(value)
        for key, value in values.items()
        if not (isinstance(value, dict) and set(value) == {"secure"})
    }
