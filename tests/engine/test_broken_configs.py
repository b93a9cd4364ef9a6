"""Broken configurations: every mistake at once, with key, value and fix, and nothing done.

Only this module shows that `make up` starts nothing and that the engine's own check of types comes
first. How each mistake is named is shown in `tests/unit/config/`.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from nix_cache.formats import signing
from tests.engine.clone import Clone, assert_plain_error
from tests.engine.project import STACK, Project
from tools import engine as toolchain_engine

pytestmark = pytest.mark.slow

KEY = signing.generate("cache.example.org-1")


@dataclass(frozen=True)
class Broken:
    """One configuration that is wrong.

    Attributes:
        settings: keys of the project that differ from the development stack's.
        reported: what has to be in the error: for each mistake its key, its value, its fix.
        hidden: what must not be in it.
    """

    settings: dict[str, Any]
    reported: list[str]
    hidden: list[str] = field(default_factory=list)


CASES = {
    "unknown backend": Broken(
        {"backend": "floppy"}, ["nix-cache:backend = 'floppy'", "fix: set it to one of minio"]
    ),
    "a broken signing key": Broken(
        {"writers": [{"name": "alice", "signingKey": "cache-1:c2VjcmV0LW1hdGVyaWFs"}]},
        ["nix-cache:writers[0].signingKey = (secret)", "64 bytes", "fix: set it to a secret key"],
        hidden=["c2VjcmV0LW1hdGVyaWFs"],
    ),
    "a connection file that is not there": Broken(
        {"minio": {"connectionFile": "nowhere.json"}},
        [
            "nix-cache:minio.connectionFile = 'nowhere.json' does not exist",
            "name a file that exists",
        ],
    ),
    "everything at once": Broken(
        {
            "domain": "my cache",
            "bucket": "My.Cache",
            "priority": "high",
            "writers": [{"name": "Alice", "generaton": 2}],
            "colour": "red",
        },
        [
            "6 mistakes",
            "nix-cache:domain = 'my cache'",
            "nix-cache:bucket = 'My.Cache'",
            "nix-cache:priority = 'high'",
            "nix-cache:writers[0].name = 'Alice'",
            "nix-cache:writers[0].generaton is an unknown setting",
            "nix-cache:colour is an unknown setting",
        ],
    ),
}


def as_text(value: Any) -> Any:
    """Scalars as text, as `pulumi config set` writes them."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory, engine: toolchain_engine.Engine) -> Clone:
    """Provide a clone in which nothing ever came up."""
    return Clone.create(tmp_path_factory.mktemp("broken") / "clone", engine)


@pytest.mark.parametrize("name", CASES)
def test_make_up_reports_all_mistakes_before_it_starts_anything(clone: Clone, name: str) -> None:
    """No server is started, no stack is made, no traceback is shown."""
    case = CASES[name]
    written = clone.place.stack_config.read_text()
    try:
        clone.configure(**{key: as_text(value) for key, value in case.settings.items()})
        result = clone.run("up")
    finally:
        clone.place.stack_config.write_text(written)

    assert result.exit_code == 1
    for words in case.reported:
        assert words in result.output, result.output
    for secret in case.hidden:
        assert secret not in result.output
    assert_plain_error(result.output)
    assert clone.server.process() is None
    assert not clone.place.state.exists()


PLAIN: dict[str, Any] = {
    "bucket": "my_cache",
    "writers": [{"name": "Alice", "trustedGenerations": [2], "signingKey": "a:b"}],
    "colour": "red",
}
"""Mistakes that pass the engine's own look at types: the program is the first to see them."""


@pytest.fixture
def unserved(tmp_path: Path, engine: toolchain_engine.Engine) -> Project:
    """Provide a project without any server: the check needs none."""
    project = Project.create(tmp_path / "project", engine)
    project.set(domain="cache.example.org", minio={"endpoint": "http://127.0.0.1:1"})
    return project


def test_a_plain_preview_reports_all_mistakes_at_once(unserved: Project) -> None:
    """In the program's own words, without the stack's state being touched."""
    unserved.set(**PLAIN)
    before = unserved.state_file.read_bytes()

    for command in (["preview"], ["up", "--yes", "--skip-preview"]):
        result = unserved.run(*command, "--stack", STACK)

        assert result.exit_code != 0
        for words in (
            "5 mistakes",
            "nix-cache:bucket = 'my_cache'",
            "nix-cache:writers[0].name = 'Alice'",
            "nix-cache:writers[0].trustedGenerations",
            "nix-cache:writers[0].signingKey = (secret)",
            "nix-cache:colour is an unknown setting",
        ):
            assert words in result.output, result.output
        assert_plain_error(result.output)
    assert unserved.resources().keys() <= {"nix-cache-test"}
    assert b"BinaryCache" not in unserved.state_file.read_bytes()
    assert b"BinaryCache" not in before


@pytest.mark.parametrize(
    ("key", "value", "type_name"),
    [("priority", "high", "integer"), ("public", "maybe", "boolean"), ("readers", "x", "array")],
)
def test_a_plain_preview_stops_at_the_engines_own_check_of_types(
    unserved: Project, key: str, value: Any, type_name: str
) -> None:
    """The engine looks at the declared types first, and names the key and the type."""
    unserved.set(**{key: value})

    result = unserved.run("preview", "--stack", STACK)

    assert result.exit_code != 0
    assert f"'nix-cache:{key}' must be of type '{type_name}" in result.output
    assert_plain_error(result.output)
