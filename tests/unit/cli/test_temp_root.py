"""Temporary roots where Nix does not answer as it should. `tests/e2e` has the real one."""

import os
from pathlib import Path

import pytest

from nix_cache.cli.errors import ClientError
from nix_cache.cli.nix import temp_root as module
from nix_cache.cli.nix.temp_root import temp_root

PATH = f"/nix/store/{'0' * 32}-name"


def environment(folder: Path, script: str) -> dict[str, str]:
    """Return the environment of a machine whose `nix-store` is a script."""
    file = folder / "nix-store"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return {**os.environ, "PATH": f"{folder}:{os.defpath}"}


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo 'error: cannot open the database' >&2; exit 1", "failed: cannot open the database"),
        ("echo 'error: unknown operation' >&2", "nix-store failed: unknown operation"),
        ("head -c 64 >/dev/null; echo welcome to this machine", "it did not say why"),
        ("cat >/dev/null & head -c 40 /dev/zero", "it did not say why"),
    ],
)
def test_another_answer_is_reported(script: str, message: str, tmp_path: Path) -> None:
    with (
        pytest.raises(ClientError, match=message),
        temp_root([PATH], environment(tmp_path, script)),
    ):
        pass


def test_a_nix_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROGRAM_SECONDS", 0.5)
    with pytest.raises(ClientError), temp_root([PATH], environment(tmp_path, "exec sleep 60")):
        pass


def test_a_missing_nix_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(ClientError, match="there is no nix on PATH"),
        temp_root([PATH], {"PATH": str(tmp_path)}),
    ):
        pass


def test_without_paths_nix_is_not_asked(tmp_path: Path) -> None:
    with temp_root([], {"PATH": str(tmp_path)}):
        pass
