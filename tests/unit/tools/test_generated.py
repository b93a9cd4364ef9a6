"""What is written by `make schema` from the settings, and kept in the repository."""

from pathlib import Path

import pytest
import yaml

from nix_cache.config.catalogue import all_settings
from tools.generated import FILES
from tools.project_config import PROJECT
from tools.settings_tables import README

CACHE, *_ = all_settings()


@pytest.mark.parametrize("path", FILES, ids=[path.name for path in FILES])
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
        ("aws.signingKeyStore", "one of secrets-manager, parameter-store"),
    ],
)
def test_the_tables_of_the_readme_name_values_that_cannot_be_guessed(
    name: str, values: str
) -> None:
    """Without them, a reader would have to look the setting up elsewhere."""
    rows = [line for line in README.read_text().splitlines() if line.startswith(f"| `{name}` ")]

    assert any(f"Must be {values}" in row for row in rows)
