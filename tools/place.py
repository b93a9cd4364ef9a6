"""Where the local environment of a clone keeps its things."""

import os
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

from tools.errors import ToolError
from tools.local_backends import DEFAULT, LOCAL_BACKENDS, LocalBackend

STACK = LOCAL_BACKENDS[DEFAULT].stack
"""The stack of `make up` on the default backend."""

_PRIVATE_FOLDER, _PRIVATE_FILE = 0o700, 0o600


@dataclass(frozen=True)
class ClonePlace:
    """The folders and files of one clone's environment.

    Attributes:
        project: the folder with Pulumi.yaml.
        local: the backend of the local stack that is worked on.
    """

    project: Path
    local: LocalBackend = LOCAL_BACKENDS[DEFAULT]

    @property
    def stack(self) -> str:
        """The name of the local stack."""
        return self.local.stack

    @property
    def work(self) -> Path:
        """Everything that is made for this clone; ignored by git, readable by its owner alone."""
        return self.project / ".dev"

    @property
    def server(self) -> Path:
        """The local server: data, generated credentials, log."""
        return self.work / self.local.folder

    @property
    def connection_file(self) -> Path:
        """What the stack's configuration names as ``connectionFile`` of its backend."""
        return self.server / "connection.json"

    @property
    def state(self) -> Path:
        """The file backend."""
        return self.work / "state"

    @property
    def backend(self) -> str:
        """The file backend as the engine's URL.

        Without the parameter it writes a second file after the state, of what only web servers
        need, and a run that is killed between the two leaves a state that cannot be read.
        """
        return f"{self.state.as_uri()}?metadata=skip"

    @property
    def passphrase_file(self) -> Path:
        """The passphrase that encrypts the stack's secrets."""
        return self.work / "passphrase"

    @property
    def stack_config(self) -> Path:
        """The local stack's configuration."""
        return self.project / f"Pulumi.{self.stack}.yaml"

    def policy_options(self, stack: str) -> list[str]:
        """Return the engine's options by which the policy pack judges, before anything is changed.

        Args:
            stack: the stack's name. Most stacks have no settings for the pack.

        Returns:
            no options where the program is used without this repository's pack.
        """
        pack = self.project / "policies"
        if not pack.is_dir():
            return []
        config = pack / "stacks" / f"{stack}.json"
        settings = ["--policy-pack-config", str(config)] if config.is_file() else []
        return ["--policy-pack", str(pack), *settings]

    def stacks(self) -> set[str]:
        """Return the names of the stacks whose states are here."""
        return {file.stem for file in self.state.glob(".pulumi/stacks/*/*.json")}

    def check_removable(self) -> None:
        """Raise ToolError if there is a stack besides those of `make up`: it would be lost."""
        if others := sorted(self.stacks() - {local.stack for local in LOCAL_BACKENDS.values()}):
            raise ToolError(
                f"{self.state} also has the state of the stack {', '.join(others)}, and with it "
                "its signing keys",
                f"run `pulumi destroy --stack {others[0]}` and `pulumi stack rm --preserve-config "
                f"{others[0]}`, or move the state to another backend, then run `make down` again",
            )

    def remove_state(self) -> None:
        """Remove the state and its passphrase, once no stack is left in it."""
        if self.stacks():
            return
        shutil.rmtree(self.state, ignore_errors=True)
        self.passphrase_file.unlink(missing_ok=True)


def private_folder(path: Path) -> Path:
    """Make a folder that only its owner can read, whatever the umask; close one that is open."""
    path.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
    if stat.S_IMODE(path.stat().st_mode) != _PRIVATE_FOLDER:
        path.chmod(_PRIVATE_FOLDER)
    return path


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, all of it or nothing."""
    private_folder(path.parent)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE_FILE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(descriptor, _PRIVATE_FILE)
        file.write(text)
    temporary.replace(path)
