"""A cache on a simulated Backblaze B2, for the tests of that backend: its fixtures."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engine.environments import program_environment
from tests.engine.project import Project
from tests.fakes.b2_server import B2Server
from tests.fakes.b2_service import REGION
from tools.engine import Engine

BUCKET = "team-cache"


@contextlib.contextmanager
def running_service() -> Iterator[B2Server]:
    """Provide a service with an empty account, which fails on requests that it does not know."""
    with B2Server() as server:
        yield server
        assert server.unknown == []


@pytest.fixture
def b2() -> Iterator[B2Server]:
    """Provide a service with an account and nothing in it."""
    with running_service() as server:
        yield server


@pytest.fixture
def cache(tmp_path: Path, engine: Engine, b2: B2Server) -> Project:
    """Provide a public cache of a development stack, not up yet."""
    return b2_cache(tmp_path / "project", engine, b2)


def b2_cache(folder: Path, engine: Engine, server: B2Server, **settings: Any) -> Project:
    """Return a public cache on the service, not up yet, of a development stack."""
    made = Project.create(folder, engine, program_environment("b2"))
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
