"""A cache on a local service in place of DigitalOcean, for the tests of that backend."""

import contextlib
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.engine.environments import program_environment
from tests.engine.project import Project
from tests.engine.s3 import s3_client
from tests.fakes.spaces_buckets import DOMAIN, REGION
from tests.fakes.spaces_plugin.install import install
from tests.fakes.spaces_service import SpacesService
from tools.engine import Engine
from tools.server import LocalServer

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET = "team-cache"
NAR = "nar/00000000000000000000000000000000.nar.zst"


@pytest.fixture(scope="session")
def spaces_venv() -> Path:
    """Provide the environment of a program on Spaces, made once per clone by one process."""
    return program_environment("spaces")


@pytest.fixture(scope="session")
def spaces_engine(engine: Engine) -> Engine:
    """Provide the engine with a plugin for DigitalOcean: the fake, unless it downloads one."""
    install(engine)
    return engine


@contextlib.contextmanager
def running_server_of_spaces(folder: Path, engine: Engine) -> Iterator[LocalServer]:
    """Provide the MinIO behind a service, with nothing in it, that has its things in a folder."""
    folder.mkdir(exist_ok=True)
    # MinIO reads only from a variable that a host name may contain the bucket.
    program = folder / "minio"
    minio = shlex.quote(str(engine.minio))
    program.write_text(f'#!/bin/sh\nMINIO_DOMAIN={DOMAIN} exec {minio} "$@"\n')
    program.chmod(0o755)
    server = LocalServer(folder / "server", program)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def spaces_server(
    tmp_path_factory: pytest.TempPathFactory, spaces_engine: Engine
) -> Iterator[LocalServer]:
    """Provide the MinIO behind the service, for all tests of a module."""
    with running_server_of_spaces(tmp_path_factory.mktemp("spaces"), spaces_engine) as server:
        yield server


@pytest.fixture(scope="module")
def spaces(spaces_server: LocalServer) -> Iterator[SpacesService]:
    """Provide a service with nothing in it."""
    with SpacesService(spaces_server.connection()) as service:
        yield service


@pytest.fixture
def root(spaces: SpacesService) -> "S3Client":
    """Provide a plain S3 client of the account's owner."""
    known = spaces.connection
    return s3_client(known.url, known.user, known.password)


@pytest.fixture
def cache(
    tmp_path: Path, spaces_engine: Engine, spaces: SpacesService, spaces_venv: Path
) -> Iterator[Project]:
    """Provide a private cache of a development stack, not up yet, removed after the test."""
    project = spaces_cache(tmp_path / "project", spaces_engine, spaces, spaces_venv)
    yield project
    if project.resources():
        project.destroy()


def spaces_cache(
    folder: Path, engine: Engine, service: SpacesService, venv: Path, **settings: Any
) -> Project:
    """Return a private cache on the service, not up yet, of a development stack."""
    project = Project.create(folder, engine)
    (folder / ".venv").unlink()
    (folder / ".venv").symlink_to(venv)
    project.config |= service.provider_config
    project.environment |= service.environment
    project.set(
        domain="cache.example.org",
        backend="spaces",
        bucket=BUCKET,
        protect=False,
        spaces={"region": REGION, "endpoint": service.connection.url},
    )
    project.set(**settings)
    return project


def key_client(project: Project, user: str) -> "S3Client":
    """Return an S3 client with the credential that the stack gives out for a writer or a reader."""
    outputs = project.outputs(secrets=True)
    credential = outputs["credentials"][user]
    return s3_client(
        outputs["manifest"]["endpoint"], credential["accessKeyId"], credential["secretAccessKey"]
    )
