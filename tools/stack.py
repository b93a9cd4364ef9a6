"""A stack: the engine's commands on it. A local one is made and checked here as well."""

import json
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml
from pydantic.alias_generators import to_camel

from nix_cache.cli.stack.engine import PulumiStack
from nix_cache.config.problems import SettingsError
from nix_cache.config.stack import PREFIX, checked_settings
from tools.engine import Engine
from tools.errors import ToolError
from tools.place import ClonePlace, private_folder, write_private

_SALT = re.compile(r"^encryptionsalt: .*\n?", re.MULTILINE)


def variables(place: ClonePlace) -> dict[str, str]:
    """Return what the engine's commands need beside PATH. No value in it is a secret."""
    return {
        "PULUMI_BACKEND_URL": place.backend,
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(place.passphrase_file),
        # A user may restore the configuration, which takes the salt away; the state has it too.
        "PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER": "true",
        "PULUMI_SUPPRESS_NEO_LINK": "true",
    }


class LocalStack(PulumiStack):
    """A stack of one clone's program: the local one, or another one.

    Args:
        place: where the clone's things are.
        engine: what runs its commands.
        name: the stack's name; by default the local one's. The state of another stack, and what
            its secrets are encrypted with, are described by the environment as for any `pulumi`.
    """

    def __init__(self, place: ClonePlace, engine: Engine, name: str | None = None) -> None:
        self._place = place
        self.name = name = name or place.stack
        environment = engine.environment(os.environ)
        is_set_elsewhere = {"PULUMI_BACKEND_URL", "PULUMI_ACCESS_TOKEN"} & set(os.environ)
        if name == place.stack or (self.exists and not is_set_elsewhere):
            environment |= variables(place)
        if name == place.stack:
            environment.pop("PULUMI_CONFIG_PASSPHRASE", None)
        options = place.policy_options(name)
        super().__init__(place.project, name, str(engine.pulumi), environment, options)

    @property
    def exists(self) -> bool:
        """Whether the clone's own file backend has it."""
        return any(self._place.state.glob(f".pulumi/stacks/*/{self.name}.json"))

    def check_config(self) -> None:
        """Check the configuration as a whole, before the engine looks at single types.

        Raises:
            ToolError: there are mistakes; it names all of them.
        """
        file = self._place.stack_config
        try:
            checked_settings(configured(self._place.project, file))
        except SettingsError as mistakes:
            encrypted = encrypted_settings(file)
            readable = [m for m in mistakes.problems if m.key not in encrypted]
            if readable:
                found = SettingsError(readable, prefix=PREFIX)
                raise ToolError(str(found), f"correct {file.name}") from None

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
            self.run("stack", "init", self.name, quiet=True)
            return str(yaml.safe_load(config.read_text())["encryptionsalt"])
        finally:
            config.write_text(written)  # the engine writes the whole file in its own form

    def _salt_of_state(self) -> str:
        return str(self.state()["secrets_providers"]["state"]["salt"])

    def _write_salt(self, salt: str) -> None:
        config = self._place.stack_config
        written = config.read_text().rstrip("\n")
        config.write_text(f"{written}\nencryptionsalt: {salt}\n")

    def forget_salt(self) -> None:
        """Take the encryption salt out of the configuration again."""
        config = self._place.stack_config
        config.write_text(_SALT.sub("", config.read_text()))

    def preview(self) -> None:
        """Show what `up` would do."""
        self.run(
            *("preview", "--stack", self.name, "--diff", "--suppress-permalink=true"),
            *self._place.policy_options(self.name),
        )

    def disposable_buckets(self) -> list[str]:
        """Return the names of the buckets that may be deleted with all that is in them."""
        return [
            resource["id"]
            for resource in self.resources()
            if resource["type"] == "minio:index/s3Bucket:S3Bucket"
            and resource["inputs"].get("forceDestroy")
            and not resource.get("protect")
        ]


def configured(project: Path, stack_config: Path) -> Mapping[str, str]:
    """Return a stack's configuration with the project's defaults, as programs get it.

    Encrypted values are left out where they stand alone, and opaque within a list or an object.
    """
    declared = yaml.safe_load((project / "Pulumi.yaml").read_text()).get("config", {})
    defaults = {key: entry["default"] for key, entry in declared.items() if "default" in entry}
    written = (yaml.safe_load(stack_config.read_text()) or {}).get("config") or {}
    values = {**defaults, **written}
    return {
        key: value if isinstance(value, str) else json.dumps(value)
        for key, value in values.items()
        if not _is_encrypted(value)
    }


def encrypted_settings(stack_config: Path) -> frozenset[str]:
    """Return the settings whose values are encrypted, such as ``writers[0].signingKey``.

    Only the program can check them: it has the passphrase.
    """
    written = (yaml.safe_load(stack_config.read_text()) or {}).get("config") or {}
    return frozenset(
        path
        for key, value in written.items()
        if key.startswith(PREFIX)
        for path in _encrypted(key.removeprefix(PREFIX), value)
    )


def _encrypted(path: str, value: object) -> Iterator[str]:
    if _is_encrypted(value):
        yield path
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _encrypted(f"{path}.{to_camel(str(key))}", inner)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _encrypted(f"{path}[{number}]", inner)


def _is_encrypted(value: object) -> bool:
    return isinstance(value, dict) and set(value) == {"secure"}
