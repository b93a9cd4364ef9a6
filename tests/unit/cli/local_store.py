"""A store of a test's own: a folder, and a Nix that knows which of its paths are valid."""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from nix_cache.cli.caches.record import Record
from nix_cache.cli.upload.options import UploadOptions
from nix_cache.cli.upload.report import Result
from nix_cache.cli.upload.writer import Writer
from tests.unit.cli.client_caches import KEY, WRITER, manifest

NIX = """\
#!{python}
import json, sys
infos = json.load(open({file!r}))
if "--all" in sys.argv:
    sys.exit(print(*infos, sep="\\n"))
print(json.dumps({{path: infos[path] for path in sys.stdin.read().split()}}))
"""
NIX_STORE = """\
#!{python}
import json, sys
infos = json.load(open({file!r}))
print(*[path for path in sys.argv[3:] if path not in infos])
"""


class LocalStore:
    """A store.

    Args:
        folder: of the test.
        monkeypatch: puts its Nix on PATH.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder / "store"
        self._infos: dict[str, Any] = {}
        self._file = folder / "infos.json"
        programs = folder / "bin"
        for each in (self.folder, programs):
            each.mkdir()
        for name, text in {"nix": NIX, "nix-store": NIX_STORE}.items():
            program = programs / name
            program.write_text(text.format(python=sys.executable, file=str(self._file)))
            program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
        self._save()

    @classmethod
    def at(cls, folder: Path) -> "LocalStore":
        """Return the store that another process made in a folder."""
        store = cls.__new__(cls)
        store.folder, store._file = folder / "store", folder / "infos.json"
        store._infos = json.loads(store._file.read_text())
        return store

    @property
    def writer(self) -> Writer:
        """One who pushes from it."""
        used = Record(
            name="demo",
            source="demo.json",
            manifest=manifest(storeDir=str(self.folder)),
            writer=WRITER,
        )
        return Writer(WRITER, used, KEY)

    def path(self, name: str) -> str:
        """A store path, by the character of its hash and a name, such as ``a-name``."""
        return str(self.folder / f"{name[0] * 32}{name[1:]}")

    def add(self, name: str, *, is_valid: bool = True, **fields: Any) -> str:
        """Make a store path, and let Nix know it."""
        path = self.path(name)
        Path(path).write_text("content")
        if is_valid:
            self.register(path, **fields)
        return path

    def register(self, path: str, **fields: Any) -> None:
        """Let a path be valid."""
        self._infos[path] = {
            "narHash": "sha256-FePFYIlMuycIXPZbWi7LGEiMmZSX9FMbaQenWBzm1Sc=",
            "narSize": 1,
            "references": [],
            "deriver": self.path("d-made-it.drv"),
            **fields,
        }
        self._save()

    def _save(self) -> None:
        self._file.write_text(json.dumps(self._infos))


class Pushes:
    """What was pushed, in place of a push to a storage.

    Attributes:
        paths: of each push.
        failures: what the next pushes raise.
    """

    def __init__(self) -> None:
        self.paths: list[list[str]] = []
        self.failures: list[Exception | None] = []

    def __call__(self, writer: Writer, paths: Sequence[str], options: UploadOptions) -> Result:
        """Push nothing."""
        self.paths.append(sorted(paths))
        if self.failures and (failure := self.failures.pop(0)) is not None:
            raise failure
        return Result(writer.record.name, writer.key.name, [], 0, [], 0.0)
