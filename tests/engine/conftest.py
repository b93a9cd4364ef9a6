"""What the engine tests stand on: a toolchain, a MinIO server and a project for each test."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from nix_cache.backends.minio.connection import Connection
from nix_cache.backends.minio.server import MinioServer
from tests.engine.environments import program_environment
from tests.engine.project import Project, public_cache
from tests.engine.s3 import s3_client as s3_client
from tests.engine.s3 import user_client as user_client
from tests.engine.two_caches import PUBLIC, TwoCaches
from tests.fakes import aws_server as aws
from tools import engine as toolchain_engine
from tools.bootstrap import ROOT
from tools.errors import ToolError
from tools.server import LocalServer

_LONGEST = (
    *("test_go_program", "test_aws_cache", "test_spaces", "test_outages", "test_drift"),
    *("test_spaces_drift", "test_interruptions", "test_each_backend", "test_interrupted"),
    *("test_aws_production", "test_make", "test_make_outages", "test_language_host", "test_verify"),
    *(
        "test_yaml_backends",
        "test_drift_reported",
        "test_policies",
        "test_recovery",
        "test_examples",
    ),
    *("test_doctor", "test_upgrade"),
)
"""Modules that take minutes, the longest first."""

_FOLDER = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is in this folder, and begin with what takes longest.

    Otherwise one worker would be left with it in the end.
    """
    for item in items:
        if item.path.is_relative_to(_FOLDER):
            item.add_marker("engine")
    place = {module: index for index, module in enumerate(_LONGEST)}
    items.sort(key=lambda item: place.get(item.path.stem, len(place)))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Download or build the engine before the first test needs it: tests have a limit of time."""
    needed = any("engine" in getattr(item, "fixturenames", ()) for item in session.items)
    if needed and not session.config.option.collectonly:
        try:
            toolchain_engine.provide(ROOT / ".dev")
        except ToolError as failure:
            pytest.exit(f"the engine is missing: {failure}", returncode=1)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly what a run that passed has not shown."""
    skipped = terminalreporter.stats.get("skipped", [])
    count = sum(aws.NO_PLUGIN in str(report.longrepr) for report in skipped)
    if count:
        terminalreporter.section("NOT TESTED", sep="!", red=True, bold=True)
        terminalreporter.line(f"{count} tests on AWS were skipped. {aws.NO_PLUGIN}", red=True)


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> toolchain_engine.Engine:
    """Provide the official engine where there is one, else the one built here.

    Whether Pulumi's own installer works was found out before the tests, for the whole clone.
    """
    work = tmp_path_factory.mktemp("engine")
    toolchain_engine.remember_choice(ROOT / ".dev", work)
    return toolchain_engine.provide(work)


@contextlib.contextmanager
def running_server(folder: Path, engine: toolchain_engine.Engine) -> Iterator[LocalServer]:
    """Provide a MinIO server with nothing in it, that has its things in a folder."""
    local = LocalServer(folder, engine.minio)
    local.start()
    try:
        yield local
    finally:
        local.stop()


@pytest.fixture
def server(tmp_path: Path, engine: toolchain_engine.Engine) -> Iterator[LocalServer]:
    """Provide a MinIO server with nothing in it."""
    with running_server(tmp_path / "minio", engine) as local:
        yield local


@pytest.fixture
def connection(server: LocalServer) -> Connection:
    """How the server's administrator reaches it."""
    return server.connection()


@pytest.fixture
def admin(connection: Connection) -> MinioServer:
    """Questions to the server, past the engine."""
    return MinioServer(connection)


@pytest.fixture
def project(tmp_path: Path, engine: toolchain_engine.Engine, server: LocalServer) -> Project:
    """Provide a public cache on the server, not up yet, of a development stack."""
    return public_cache(tmp_path / "project", engine, tmp_path / "minio")


@pytest.fixture(scope="module")
def module_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a module's tests keep what they share."""
    return tmp_path_factory.mktemp("module")


@pytest.fixture(scope="module")
def module_server(module_folder: Path, engine: toolchain_engine.Engine) -> Iterator[LocalServer]:
    """One server for all tests of a module, which only look at what is on it."""
    with running_server(module_folder / "minio", engine) as local:
        yield local


@pytest.fixture(scope="module")
def module_project(
    module_folder: Path, engine: toolchain_engine.Engine, module_server: LocalServer
) -> Project:
    """Provide a public cache on the module's server, not up yet."""
    return public_cache(module_folder / "project", engine, module_folder / "minio")


@pytest.fixture(scope="session")
def caches(
    tmp_path_factory: pytest.TempPathFactory, engine: toolchain_engine.Engine
) -> Iterator[TwoCaches]:
    """Provide a public and a private cache on one server, for tests that only check access."""
    folder = tmp_path_factory.mktemp("caches")
    with running_server(folder / "minio", engine) as server:
        yield TwoCaches.create(folder, engine, server)


@pytest.fixture(scope="session")
def aws_engine(engine: toolchain_engine.Engine) -> toolchain_engine.Engine:
    """Provide the engine, where it has the AWS plugin: that one is built on demand alone."""
    if not engine.serves_aws:
        pytest.skip(aws.NO_PLUGIN)
    return engine


@pytest.fixture(scope="module")
def aws_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[aws.AwsServer]:
    """AWS with nothing in it but an administrator, for all tests of a module."""
    with aws.running(tmp_path_factory.mktemp("aws")) as server:
        yield server


@pytest.fixture
def aws_project(
    tmp_path: Path,
    aws_engine: toolchain_engine.Engine,
    aws_server: aws.AwsServer,
) -> Project:
    """Provide the program, not up yet, whose AWS is the server."""
    project = Project.create(tmp_path / "project", aws_engine, program_environment("aws"))
    project.config.update(aws_server.config())
    project.environment.update(aws_server.environment())
    return project


@pytest.fixture
def unchanged(caches: TwoCaches) -> Iterator[None]:
    """Fails a test after which the server holds other objects than before it."""
    before = caches.contents()
    assert f"{PUBLIC}/nix-cache-info" in before
    yield
    assert caches.contents() == before
