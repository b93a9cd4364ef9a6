"""A cache on a simulated Backblaze B2, for the tests of that backend."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engine.b2_server import B2Server
from tests.engine.b2_service import REGION
from tests.engine.project import Project
from toolchain import bootstrap
from toolchain.engine import Engine

BUCKET = "team-cache"
RETRIES_SECONDS = 120


@pytest.fixture(scope="session")
def b2_environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python environment of a program on this backend."""
    folder = tmp_path_factory.mktemp("b2") / "venv"
    bootstrap.provide("b2", folder)
    return folder


@pytest.fixture
def b2() -> Iterator[B2Server]:
    """A service with an account and nothing in it. It has to know every request that it gets."""
    with B2Server() as server:
        yield server
        assert server.unknown == []


@pytest.fixture
def cache(tmp_path: Path, engine: Engine, b2: B2Server, b2_environment: Path) -> Project:
    """A public cache of a development stack, not up yet."""
    return b2_cache(tmp_path / "project", engine, b2, b2_environment)


def b2_cache(
    folder: Path, engine: Engine, server: B2Server, environment: Path, **settings: Any
) -> Project:
    """A public cache on the service, not up yet, of a development stack."""
    made = Project.create(folder, engine)
    (folder / ".venv").unlink()
    (folder / ".venv").symlink_to(environment)
    made.config["b2:realm"] = server.url
    made.environment |= {
        "B2_APPLICATION_KEY_ID": server.service.key_id,
        "B2_APPLICATION_KEY": server.service.key,
    }
    made.set(
        domain="cache.example.org",
        backend="b2",
        bucket=BUCKET,
        public=True,
        protect=False,
        b2={"region": REGION},
    )
    made.set(**settings)
    return made
