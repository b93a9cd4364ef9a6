"""Which local stacks a command of `make` acts on."""

from pathlib import Path

import pytest

from tools.choice import chosen_backends
from tools.local_backends import DEFAULT, LOCAL_BACKENDS, backend_of


def use(project: Path, *backends: str) -> None:
    """Leave what a clone has in which `make up` was run on some backends."""
    for name in backends:
        (project / ".dev" / LOCAL_BACKENDS[name].folder).mkdir(parents=True)


@pytest.mark.parametrize(
    ("used", "chosen", "removed"),
    [
        ([], ["minio"], ["minio"]),
        (["minio"], ["minio"], ["minio"]),
        (["s3"], ["s3"], ["s3"]),
        (["minio", "s3"], ["minio"], ["minio", "s3"]),
    ],
)
def test_a_command_without_a_backend_acts_on_the_one_in_use(
    tmp_path: Path, used: list[str], chosen: list[str], removed: list[str]
) -> None:
    """On the default one if both are, except for `down`, which removes all."""
    use(tmp_path, *used)

    assert chosen_backends("up", tmp_path) == chosen
    assert chosen_backends("env", tmp_path) == chosen
    assert chosen_backends("down", tmp_path) == removed


def test_a_state_without_a_server_is_in_use(tmp_path: Path) -> None:
    """Its stack is still to be removed."""
    state = tmp_path / ".dev" / "state" / ".pulumi" / "stacks" / "nix-cache"
    state.mkdir(parents=True)
    (state / "dev-s3.json").touch()

    assert chosen_backends("down", tmp_path) == ["s3"]


def test_a_local_stack_belongs_to_its_backend() -> None:
    """Any other stack is worked on with the default toolchain."""
    for backend in LOCAL_BACKENDS.values():
        assert backend_of(backend.stack) is backend
    assert backend_of("prod").name == DEFAULT
