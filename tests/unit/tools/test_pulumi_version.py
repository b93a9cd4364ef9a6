"""Pulumi's version is one number, and every other place follows it."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tools import bootstrap, pulumi_version
from tools.bootstrap import ROOT


def test_every_place_has_the_pinned_version() -> None:
    """`make pulumi` brings them to it."""
    places = pulumi_version.found()

    assert len(places) == len(pulumi_version.TEXTS) + 4
    assert set(places.values()) == {pulumi_version.pinned()}


def test_another_version_is_written_into_every_place_that_is_plain_text(tmp_path: Path) -> None:
    """And nothing else in them changes."""
    for place in pulumi_version.TEXTS:
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / place, tmp_path / place)

    assert pulumi_version.rewrite(tmp_path, "3.999.0") == [*pulumi_version.TEXTS]
    assert pulumi_version.rewrite(tmp_path, "3.999.0") == []
    for place in pulumi_version.TEXTS:
        before, after = (ROOT / place).read_text(), (tmp_path / place).read_text()
        assert after == before.replace(pulumi_version.pinned(), "3.999.0", 1)


def test_make_pulumi_ends_with_the_script_that_writes_the_locks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is a program of this clone. Nothing is to be changed while all versions agree."""
    run: list[list[os.PathLike[str]]] = []

    def record(command: list[os.PathLike[str]], **_: object) -> subprocess.CompletedProcess[str]:
        run.append(command)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(bootstrap, "find_uv", lambda: "/nowhere/uv")
    monkeypatch.setattr(subprocess, "run", record)

    assert pulumi_version.main() == 0
    [[script]] = run
    assert os.access(script, os.X_OK)
