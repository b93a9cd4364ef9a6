"""A private cache, read as the daemon reads it: with the profile in the home of its user."""

import pytest

from tests.e2e import store_paths
from tests.e2e.cache import READER, WRITER, Cache
from tests.e2e.conftest import NewNix
from tests.e2e.nix import Nix
from tests.e2e.refusal import assert_accepted

FORBIDDEN = "403"


@pytest.fixture(scope="module")
def path(private_cache: Cache, module_nix: Nix) -> str:
    """Provide a path in the private cache."""
    private_cache.let_write(module_nix)
    built = store_paths.build(module_nix, 2).root
    pushed = private_cache.push(module_nix, built)
    assert pushed.exit_code == 0, pushed.output
    return built


@pytest.fixture
def reader(private_cache: Cache, new_nix: NewNix) -> Nix:
    """Provide a machine with the stack's nix.conf and no credentials."""
    machine = new_nix()
    machine.configure(private_cache.outputs["nixConf"])
    return machine


def test_a_reader_pulls(private_cache: Cache, reader: Nix, path: str) -> None:
    """The profile is that of the substituter's URL."""
    private_cache.let_read(reader, READER)

    assert_accepted(reader, path)


def test_no_user_pulls_without_credentials(reader: Nix, path: str) -> None:
    """There is a substituter and its key, and nothing comes."""
    assert_forbidden(reader, path)


def test_no_user_pulls_with_a_wrong_secret(private_cache: Cache, reader: Nix, path: str) -> None:
    """The reader's name alone opens nothing."""
    credential = private_cache.outputs["credentials"][READER]
    profile = private_cache.outputs["manifest"]["profiles"][READER]
    reader.add_profile(profile, {**credential, "secretAccessKey": "not-the-readers-secret"})

    assert_forbidden(reader, path)


def test_no_user_pulls_with_another_profile(private_cache: Cache, reader: Nix, path: str) -> None:
    """Credentials count under the name that the substituter's URL has."""
    reader.add_profile("another", private_cache.outputs["credentials"][READER])

    assert_forbidden(reader, path)


def test_a_reader_cannot_push(private_cache: Cache, nix: Nix) -> None:
    """A reader's credentials in the writer's place are refused, and nothing is uploaded."""
    writers_profile = private_cache.outputs["manifest"]["profiles"][WRITER]
    nix.add_profile(writers_profile, private_cache.outputs["credentials"][READER])
    before = private_cache.keys()

    pushed = private_cache.push(nix, store_paths.build(nix).root)

    assert pushed.exit_code != 0
    assert FORBIDDEN in pushed.output
    assert private_cache.keys() == before


def assert_forbidden(reader: Nix, path: str) -> None:
    """Check that Nix does not get the path, because the server denies it."""
    refused = reader.realise(path)
    assert refused.exit_code != 0
    assert FORBIDDEN in refused.output
    assert not reader.has(path)
