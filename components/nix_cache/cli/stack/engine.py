"""A Pulumi stack, by the commands of the program ``pulumi``."""

import json
import os
import shlex
import shutil
import subprocess
import tempfile
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nix_cache.cli.errors import ClientError
from nix_cache.cli.machine import console, interrupt
from nix_cache.cli.stack import process

_PROJECT_FILES = ("Pulumi.yaml", "Pulumi.yml", "Pulumi.json")
_REFRESHED = "resOutputsEvent"
"""The kind of event by which the engine reports what a refresh found of a resource."""

_KNOWN_FAILURES: Sequence[tuple[str, str, str]] = (
    ("no stack selected", "no stack is selected in {folder}", "name one: --stack NAME"),
    (
        "no stack named",
        "the stack {name} does not exist in {folder}",
        "name another with --stack; run `pulumi --cwd {quoted_folder} stack ls` to list them",
    ),
    (
        "passphrase must be set",
        "the secrets of the stack {name} cannot be decrypted: no passphrase is set",
        "set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE",
    ),
    (
        "incorrect passphrase",
        "the secrets of the stack {name} cannot be decrypted: the passphrase is wrong",
        "set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE to the stack's own",
    ),
)
"""By what the engine prints: the problem in our words, and its fix."""


class PulumiStack:
    """A stack of a program in any language.

    Args:
        folder: the program's, which has ``Pulumi.yaml``.
        name: the stack's name.
        pulumi: the path of the program ``pulumi``.
        environment: the variables of its commands; this process's own by default.
        update_options: further options for each update, such as those of a policy pack.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        pulumi: str,
        environment: Mapping[str, str] | None = None,
        update_options: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.folder = folder
        self.pulumi = pulumi
        self.environment: Mapping[str, str] = {
            **(os.environ if environment is None else environment),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_SUPPRESS_NEO_LINK": "true",
        }
        self._update_options = update_options

    def up(self, *, refresh: bool = False, targets: Sequence[str] = ()) -> dict[str, int]:
        """Bring the stack up.

        Args:
            refresh: whether to refresh the state first.
            targets: the URNs, or patterns of these, to which the refresh and the update are
                limited; the whole stack by default.

        Returns:
            the number of changed resources, by operation.

        Raises:
            ClientError: it failed. What it printed was shown to the user.
        """
        try:
            self.run(
                *("up", "--yes", "--stack", self.name),
                *("--suppress-outputs", "--suppress-permalink=true", *self._update_options),
                *(["--refresh"] if refresh else []),
                *_targeting(targets),
            )
        except ClientError as failure:
            if not targets:
                raise
            raise ClientError(
                failure.problem,
                f"{failure.fix}; if it names a resource that belongs to no cache, apply the "
                "program's changes to that first, with `pulumi up`",
            ) from None
        history = json.loads(
            self.run(
                *("stack", "history", "--json", "--stack", self.name, "--page-size", "1"),
                quiet=True,
            )
        )
        changes: dict[str, int] = history[0].get("resourceChanges") or {}
        return {operation: count for operation, count in changes.items() if operation != "same"}

    def outputs(self, *, secrets: bool = False) -> dict[str, Any]:
        """Return the stack's outputs.

        Args:
            secrets: whether secret outputs come in clear; else they are masked.
        """
        options = ["--show-secrets"] if secrets else []
        answer: dict[str, Any] = json.loads(
            self.run("stack", "output", "--json", "--stack", self.name, *options, quiet=True)
        )
        return answer

    def state(self, *, secrets: bool = False) -> dict[str, Any]:
        """Return the state: its resources, and the operations that an interrupted run left pending.

        Args:
            secrets: whether secret values come in clear; else they are encrypted.
        """
        options = ["--show-secrets"] if secrets else []
        exported = json.loads(
            self.run("stack", "export", "--stack", self.name, *options, quiet=True)
        )
        found: dict[str, Any] = exported["deployment"]
        return found

    def export(self) -> str:
        """Return the state as `import_state` takes it, secrets encrypted."""
        return self.run("stack", "export", "--stack", self.name, quiet=True)

    def import_state(self, exported: str) -> None:
        """Replace the state. The engine drops all pending operations with it.

        Args:
            exported: what `export` returned, perhaps changed.
        """
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "state.json"
            file.touch(0o600)
            file.write_text(exported, encoding="utf-8")
            self.run("stack", "import", "--stack", self.name, "--file", str(file), quiet=True)

    def resources(self) -> list[dict[str, Any]]:
        """Return the state's resources, secrets encrypted."""
        return self.state().get("resources") or []

    def configuration(self) -> dict[str, str]:
        """Return the configuration as a program gets it: with defaults, secrets in clear."""
        found = self.run("config", "--json", "--show-secrets", "--stack", self.name, quiet=True)
        return {key: entry["value"] for key, entry in json.loads(found).items() if "value" in entry}

    def settle(self) -> bool:
        """Remove all pending operations of an interrupted run from the state.

        The engine itself would keep them, and warn of them, whatever became of them since.

        Returns:
            whether there was any.
        """
        if not self.state().get("pending_operations"):
            return False
        self.import_state(self.export())
        return True

    def refresh_steps(self, targets: Sequence[str] = ()) -> list[dict[str, Any]]:
        """Return what a refresh would find of each resource, secrets masked. Nothing is written.

        The engine's events are read: its one document omits what a provider does not detail.

        Args:
            targets: the URNs to which it is limited; the whole stack by default.
        """
        printed = self.run(
            *("refresh", "--preview-only", "--json", "--stack", self.name),
            *_targeting(targets),
            quiet=True,
            variables={"PULUMI_ENABLE_STREAMING_JSON_PREVIEW": "true"},
        )
        # Not by `splitlines`, which also splits at characters that JSON leaves as they are.
        events = map(json.loads, filter(None, printed.split("\n")))
        return [event[_REFRESHED]["metadata"] for event in events if _REFRESHED in event]

    def destroy(self) -> None:
        """Delete every resource, and then the stack; its configuration stays."""
        self.run("destroy", "--yes", "--stack", self.name, "--suppress-permalink=true")
        self.run("stack", "rm", self.name, "--yes", "--preserve-config", quiet=True)

    def run(
        self, *arguments: str, quiet: bool = False, variables: Mapping[str, str] | None = None
    ) -> str:
        """Run one command of ``pulumi``.

        Args:
            arguments: the command and its options.
            quiet: whether its output is returned; else the user sees it.
            variables: further variables.

        Raises:
            ClientError: it failed. What it printed was shown to the user.
        """
        command = [self.pulumi, *arguments]
        # In the background, it would be stopped for reading from the terminal.
        is_silent = quiet or interrupt.is_shielded()
        if is_silent or not console.out.is_terminal:
            command += ["--non-interactive", "--color", "never"]
        done = process.run(
            command,
            cwd=self.folder,
            env={**self.environment, **(variables or {})},
            stdin=subprocess.DEVNULL if is_silent else None,
            stdout=subprocess.PIPE if quiet else None,
            stderr=subprocess.PIPE if quiet else None,
            text=True,
        )
        if done.returncode:
            raise self._failure(arguments, process.reasons(done.stdout or "", done.stderr or ""))
        return done.stdout or ""

    def _failure(self, arguments: Sequence[str], printed: str) -> ClientError:
        for sign, problem, fix in _KNOWN_FAILURES:
            if sign in printed:
                folder = shlex.quote(str(self.folder))
                return ClientError(
                    problem.format(name=self.name, folder=self.folder),
                    fix.format(quoted_folder=folder),
                )
        if printed:
            # Indented, so that a line from a server does not look like one of ours.
            console.err.text(textwrap.indent(printed.strip(), "  | ") + "\n")
        return ClientError(
            f"`pulumi {' '.join(arguments[:2])}` failed, see above",
            "correct what it reports, then run the same command again",
        )


def open_stack(
    name: str | None, folder: Path | None, pulumi: str | None, update_options: Sequence[str] = ()
) -> PulumiStack:
    """Return the stack that the user means.

    Args:
        name: its name; None for the one that is selected in the program's folder.
        folder: the program's; the current one if None.
        pulumi: the program; the one on PATH if None.
        update_options: further options for each update.

    Raises:
        ClientError: there is no such program, project or selected stack.
    """
    program = find_pulumi(pulumi)
    place = project_of(folder or Path.cwd())
    return PulumiStack(place, name or _selected(program, place), program, None, update_options)


def project_of(folder: Path) -> Path:
    """Return the folder of the project that a folder is in, as the engine finds it.

    Raises:
        ClientError: there is no such folder or project.
    """
    start = folder.absolute()
    if not start.is_dir():
        raise ClientError(f"there is no folder {start}", "name the program's folder: --cwd FOLDER")
    for place in (start, *start.parents):
        if any((place / file).is_file() for file in _PROJECT_FILES):
            return place
    raise ClientError(
        f"there is no Pulumi project in {start}", "name the program's folder: --cwd FOLDER"
    )


def find_pulumi(given: str | None) -> str:
    """Return the path of the program ``pulumi``.

    Args:
        given: a path or a name; the one on PATH if None.

    Raises:
        ClientError: there is none.
    """
    found = shutil.which(given or "pulumi")
    if found is None:
        raise ClientError(
            f"the program {given or 'pulumi'} was not found",
            "install Pulumi (https://www.pulumi.com/docs/install/), or name it: --pulumi FILE",
        )
    return str(Path(found).absolute())


def _selected(program: str, folder: Path) -> str:
    return PulumiStack(folder, "", program).run("stack", "--show-name", quiet=True).strip()


def _targeting(targets: Sequence[str]) -> Iterator[str]:
    for urn in targets:
        yield from ("--target", urn)
