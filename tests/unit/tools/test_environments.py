"""The stacks' files: accepted as they are, different only in what the page's table shows."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from nix_cache.config.stack import checked_settings
from tests.pages import section
from tools.bootstrap import ROOT
from tools.seaweedfs import SeaweedServer
from tools.server import LocalServer
from tools.stack import configured

FILES = ("Pulumi.dev.yaml", "Pulumi.staging.yaml", "Pulumi.prod.yaml")

SERVERS = {FILES[0]: "one of this machine"}
"""What the page calls a server that the file does not name."""


@pytest.fixture(autouse=True)
def prepared_servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Provide the servers of the local stacks as `make up` runs them, named by relative paths."""
    LocalServer(tmp_path / ".dev" / "minio").prepare()
    SeaweedServer(tmp_path / ".dev" / "seaweedfs").prepare()
    monkeypatch.chdir(tmp_path)


def settings_of(file: str) -> dict[str, Any]:
    """Return a stack's checked settings by the names of the configuration."""
    settings, _ = checked_settings(configured(ROOT, ROOT / file))
    found = settings.model_dump(mode="json", by_alias=True)
    names = ", ".join(f"`{writer['name']}`" for writer in found["writers"])
    readers = ", ".join(f"`{name}`" for name in found["readers"])
    return {**found, "writers": names, "readers": readers}


def servers_of(file: str) -> str:
    """Return the server that a stack's file names."""
    return str(yaml.safe_load((ROOT / file).read_text())["config"].get("minio:minioServer", ""))


@pytest.mark.parametrize("file", [*FILES, "Pulumi.dev-s3.yaml"])
def test_every_stacks_file_is_accepted_as_it_is(file: str) -> None:
    """By the check that the program itself makes."""
    assert settings_of(file)["domain"].endswith(("example.org", "localhost"))


@pytest.mark.parametrize("file", sorted((ROOT / "examples" / "stacks").glob("*.yaml")))
def test_every_backends_example_is_accepted_as_it_is(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the backend's that the file is called after."""
    account = ("DIGITALOCEAN_TOKEN", "SPACES_ACCESS_KEY_ID", "SPACES_SECRET_ACCESS_KEY")
    for name in (*account, "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "of the account")

    assert settings_of(str(file.relative_to(ROOT)))["backend"] == file.stem


def test_the_table_of_the_page_is_how_the_files_differ() -> None:
    """Every setting in which two of them differ, and no other, with its values."""
    found = {file: settings_of(file) for file in FILES}
    expected = {"server": [servers_of(file) for file in FILES]}
    for name in found[FILES[0]].keys() - {"minio"}:  # names the server once more
        values = [found[file][name] for file in FILES]
        if any(value != values[0] for value in values):
            expected[name] = values
    assert table() == {
        name: [cell(file, name, value) for file, value in zip(FILES, values, strict=True)]
        for name, values in expected.items()
    }


def cell(file: str, name: str, value: Any) -> str:
    """Return a value as the page's table shows it."""
    if name == "server" and not value:
        return SERVERS[file]
    if name in {"writers", "readers"}:
        return str(value)
    return f"`{yaml.safe_dump(value).splitlines()[0]}`"


def table() -> dict[str, list[str]]:
    """Return the page's table: by setting, the value in each file."""
    rows = [
        [part.strip() for part in line.strip("|").split("|")]
        for line in section(
            "docs/operations/environments.md", "Compare the stack files"
        ).splitlines()
        if line.startswith("|")
    ]
    header, _, *body = rows
    assert header == ["", *(f"`{file}`" for file in FILES)]
    return {name.strip("`"): values for name, *values in body}


def test_no_two_stacks_share_the_name_of_a_key() -> None:
    """So that no machine takes what one of them signed for another's."""
    files = (*FILES, "Pulumi.dev-s3.yaml")
    domains = {settings_of(file)["domain"] for file in files}

    assert len(domains) == len(files)
