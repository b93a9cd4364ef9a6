"""What is written by `make schema` from the settings, and kept in the repository."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from nix_cache.config.catalogue import all_settings
from tools.bootstrap import ROOT
from tools.commands_reference import WIDTH, helps
from tools.generated import FILES
from tools.project_config import PROJECT
from tools.tables import pages

CACHE, *_ = all_settings()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_kept_file_is_what_the_code_says(path: Path) -> None:
    """If not: `make schema`."""
    kept = path.read_text(encoding="utf-8")

    assert FILES[path](kept) == kept


def test_the_program_has_every_setting_of_the_component() -> None:
    """Under its present name, with a default: the engine has no optional settings."""
    config = yaml.safe_load(PROJECT.read_text())["config"]

    assert list(config) == [f"nix-cache:{setting.name}" for setting in CACHE.present]
    assert all("default" in entry for entry in config.values())


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("backend", "one of `minio`, `aws`, `spaces`, `b2`"),
        ("writers", "a list of objects with `name`"),
        ("aws.signingKeyStore", "one of `secrets-manager`, `parameter-store`"),
    ],
)
def test_the_tables_of_settings_name_values_that_cannot_be_guessed(name: str, values: str) -> None:
    """Without them, a reader would have to look the setting up elsewhere."""
    lines = [line for page in pages() for line in page.read_text().splitlines()]
    rows = [line for line in lines if line.startswith(f"| `{name}` ")]

    assert any(f"Must be {values}" in row for row in rows)


def test_the_page_of_commands_has_every_command() -> None:
    """Also those within a group, each once."""
    names = [name for name, _ in helps()]

    assert len(names) == len(set(names))
    assert {"nix-cache", "nix-cache push", "nix-cache help", "nix-cache stack drift"} <= {*names}


@pytest.mark.parametrize(("name", "text"), list(helps()), ids=[name for name, _ in helps()])
def test_a_help_text_fits_and_is_what_the_command_prints(name: str, text: str) -> None:
    """In 80 columns, without colours and without the notation of types in Python."""
    environment = {**os.environ, "COLUMNS": "80", "NO_COLOR": "1"}
    command = [sys.executable, "-m", "nix_cache.cli", *name.split()[1:], "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)

    assert done.stdout.rstrip() == text.rstrip()
    assert not re.search(r"<(int|path|str|bool|text)\b|\[\[|[{}]", text)
    assert all(len(line) <= WIDTH and line.isprintable() for line in text.splitlines())
