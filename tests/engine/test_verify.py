"""What `nix-cache stack verify BACKEND` does, on a local MinIO in the place of a service.

Only this module takes all of its steps on their own stack.
"""

from pathlib import Path

import pytest

from nix_cache.backends.minio.connection import NameKind
from nix_cache.backends.minio.server import MinioServer
from nix_cache.cli.stack.verify import nix
from nix_cache.cli.stack.verify.backend import Action, Backend, Role
from nix_cache.cli.stack.verify.journey import Journey
from nix_cache.cli.stack.verify.throw_away import ThrowAwayStack
from tests.engine.command import clean_environment
from tools.engine import Engine
from tools.server import LocalServer

pytestmark = pytest.mark.slow


OWNER = ("OWNER_ID", "OWNER_SECRET")
"""Variables with the server's root user, for the positive controls."""


def minio(folder: Path, beyond: frozenset[tuple[Role, Action]] = frozenset()) -> Backend:
    """Return a row for the local server."""
    file = str(folder / "minio" / "connection.json")
    return Backend(
        name="minio",
        service="MinIO",
        package="minio",
        costs="nothing",
        variables={},
        config=lambda _environment: {"nix-cache:minio": {"connectionFile": file}},
        beyond=beyond,
        owner_variables=OWNER,
    )


def variables(engine: Engine) -> dict[str, str]:
    """Return the environment of the engine's commands."""
    return engine.environment(clean_environment())


def remove(stack: ThrowAwayStack, admin: MinioServer) -> None:
    """Remove a stack; MinIO's provider ends itself now and then while it empties a bucket."""
    admin.empty(stack.bucket)
    stack.remove()


def test_every_step_goes_well_and_nothing_is_left(
    tmp_path: Path,
    engine: Engine,
    admin: MinioServer,
    server: LocalServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All that was declared is so, public and private, and each probe has its own line."""
    monkeypatch.setattr(nix, "why_not", lambda _least: "it is tested elsewhere")
    reported: list[tuple[str, str]] = []
    stack = ThrowAwayStack(
        tmp_path / "stack", str(engine.pulumi), minio(tmp_path), variables(engine)
    )
    root = server.connection()
    owner = dict(zip(OWNER, (root.user, root.password), strict=True))
    steps = Journey(minio(tmp_path), stack, lambda *step: reported.append(step), owner)

    stack.prepare()
    steps.run()
    assert [step for step in reported if step[0] == "FAILED"] == []
    assert steps.failures == 0
    probes = [step for step in reported if step[1].endswith(", which the owner can")]
    assert "anonymous clients cannot list the bucket" in str(probes)
    assert "the writer nixbuilder cannot replace nix-cache-info" in str(probes)
    assert "the reader nixreader cannot upload objects" in str(probes)
    others = [step for step in reported if step not in probes]
    unsigned = [step for step in others if step[1].endswith(", as only the signature is missing")]
    assert [outcome for outcome, _ in [*unsigned, *probes]] == ["ok"] * (len(probes) + 2)
    assert len(others) - len(unsigned) == 14, others
    remove(stack, admin)
    assert not (tmp_path / "stack").exists()
    assert not admin.has(NameKind.BUCKET, stack.bucket)


def test_what_a_service_lets_through_or_withholds_is_a_failure(
    tmp_path: Path, engine: Engine, admin: MinioServer
) -> None:
    """Both are reported, and the other steps are taken all the same."""
    wrong = minio(tmp_path, frozenset({(Role.ANONYMOUS, Action.LIST)}))
    stack = ThrowAwayStack(tmp_path / "stack", str(engine.pulumi), wrong, variables(engine))
    stack.prepare()
    stack.up()
    steps = Journey(wrong, stack, lambda *_: None)

    assert steps.rights(Role.ANONYMOUS, public=True) == "cannot list the bucket"
    assert steps.rights(Role.WRITER, public=True) == ""
    wrong_for_private = steps.rights(Role.ANONYMOUS, public=False)
    assert wrong_for_private == "can read an object, cannot list the bucket"
    remove(stack, admin)
