"""What the real Nix makes of a NixOS configuration with the project's module."""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e.nix import Done, Nix

EVALUATE = Path(__file__).with_name("evaluate.nix")
SYSTEMS = EVALUATE.with_name("systems")
"""The options of each kind of system."""

LIB_VARIABLE = "NIXPKGS_LIB"
"""Names a folder with nixpkgs' lib, to be taken instead of the fake."""

SYSTEMCTL = """\
#!/bin/sh
echo "$*" >>{log}
"""


@dataclass
class NixOS:
    """A machine with Nix whose user writes NixOS configurations.

    Attributes:
        nix: the machine.
        folder: where the configurations are, and what they name.
        programs: a folder with ``bin``, which takes the place of all packages.
    """

    nix: Nix
    folder: Path = field(init=False)
    programs: Path = field(init=False)

    def __post_init__(self) -> None:
        self.folder = self.nix.folder / "nixos"
        self.programs = self.folder / "programs"
        bin_folder = self.programs / "bin"
        bin_folder.mkdir(parents=True)
        for name in ("chmod", "cp", "ln", "mkdir"):
            (bin_folder / name).symlink_to(Path(self.nix.real.cat()).with_name(name))
        for name in ("nix", "nix-store"):
            (bin_folder / name).symlink_to(self.nix.bin / name)
        (bin_folder / "nix-cache").symlink_to(self.nix.bin / "nix-cache")
        systemctl = bin_folder / "systemctl"
        systemctl.write_text(SYSTEMCTL.format(log=self.systemctl_log))
        systemctl.chmod(0o755)
        if lib := os.environ.get(LIB_VARIABLE):
            shutil.copytree(lib, self.folder / "lib")

    @property
    def systemctl_log(self) -> Path:
        """What systemctl was asked for, a line for each time."""
        return self.folder / "systemctl.log"

    @property
    def state(self) -> Path:
        """Where the queues are: the user takes the place of root."""
        return self.nix.home / ".local" / "state" / "nix-cache"

    def describe(self, cache: Mapping[str, Any], name: str = "nix-cache.json") -> None:
        """Put a stack's output `manifest` beside the configurations."""
        (self.folder / name).write_text(json.dumps(cache))

    def evaluate(self, settings: str, **given: str) -> dict[str, Any]:
        """Return what a configuration comes to; it has to be fine.

        Args:
            settings: what it sets, as Nix texts of a set's attributes; or a whole module, which
                starts with its arguments.
            given: by name, a Nix text for each further argument of ``evaluate.nix``.
        """
        found: dict[str, Any] = self.part(settings, "", **given)
        return found

    def part(self, settings: str, path: str, **given: str) -> Any:
        """Return the same for one part, named by an attribute path that starts with a dot."""
        done = self._eval(settings, path, given)
        assert done.exit_code == 0, done.err
        assert "warning" not in done.err
        return json.loads(done.out)

    def refusal(self, settings: str, **given: str) -> str:
        """Why a configuration is refused. The arguments are those of ``evaluate``."""
        done = self._eval(settings, "", given)
        assert done.exit_code != 0, done.out
        return done.err

    def build(self, settings: str, path: str, **given: str) -> Path:
        """Build a file of a configuration; gives back its path as seen from outside.

        The arguments are those of ``part``.
        """
        expression = self._expression(settings, path, given)
        built = self.nix.get(
            *("build", "--no-link", "--print-out-paths", "--impure", "--offline"),
            *("--expr", expression),
        )
        return self.nix.store_folder / "store" / Path(built).name

    def _eval(self, settings: str, path: str, given: Mapping[str, str]) -> Done:
        expression = self._expression(settings, path, given)
        return self.nix.run("eval", "--json", "--impure", "--offline", "--expr", expression)

    def _expression(self, settings: str, path: str, given: Mapping[str, str]) -> str:
        configuration = self.folder / "configuration.nix"
        is_module = settings.startswith("{ ")
        configuration.write_text(
            settings if is_module else f"{{ lib, ... }}:\n{{\n{settings}\n}}\n"
        )
        arguments = {
            "configuration": str(configuration),
            "programs": f'"{self.programs}"',
            "state": f'"{self.state}"',
            **given,
        }
        if (self.folder / "lib").exists():
            arguments["lib"] = f"import {self.folder / 'lib'}"
        values = " ".join(f"{name} = {text};" for name, text in arguments.items())
        return f"(import {EVALUATE} {{ {values} }}){path}"


def as_nix_conf(settings: Mapping[str, Any]) -> str:
    """Return settings as NixOS writes them into nix.conf."""
    lists = {
        name: value if isinstance(value, list) else [value] for name, value in settings.items()
    }
    return "".join(f"{name} = {' '.join(map(str, words))}\n" for name, words in lists.items())
