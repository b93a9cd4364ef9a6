"""Imported signing keys, new versions of the code that made keys, and protection, on MinIO.

Only this module shows what the engine keeps of a key whose configuration or code has changed. That
keys outlast a refresh is shown in `test_each_backend.py`, and a private cache in
`test_landing_page.py`.
"""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from nix_cache.backends.minio.connection import Connection, NameKind
from nix_cache.backends.minio.server import MinioServer
from tests.engine import keys
from tests.engine.command import Result
from tests.engine.project import RETOLD, STACK, Project, public_cache
from tests.engine.s3 import s3_client
from tools.bootstrap import ROOT
from tools.engine import Engine
from tools.server import LocalServer

pytestmark = pytest.mark.slow

RECIPE_NAME = "cache.example.org-1"
"""What the recipes that people follow by hand call their key."""


def all_keys(project: Project) -> dict[str, Any]:
    """All keys that the stack gives out, the secret ones too."""
    outputs = project.outputs(secrets=True)
    return {name: outputs[name] for name in ("publicKeys", "signingKeys")}


@dataclass(frozen=True)
class Adoption:
    """What became of a key that was brought in.

    Attributes:
        secret_key: the key.
        brought: all keys after it was brought in.
        taken_out: all keys after it was taken out of the configuration, and what that planned.
        refusal: what a run said that had another key of the same name.
        resources: the state's resources before and after that run.
        kept_in: what a run said that raised the generation, but still had the key.
        refused: all keys after both.
        rotated: all keys after the generation was raised, and what that planned.
    """

    secret_key: str
    brought: dict[str, Any]
    taken_out: tuple[dict[str, str], dict[str, Any]]
    refusal: Result
    kept_in: Result
    resources: tuple[dict[str, Any], dict[str, Any]]
    refused: dict[str, Any]
    rotated: tuple[dict[str, str], dict[str, Any]]


@pytest.fixture(scope="module")
def adoption(module_project: Project) -> Adoption:
    """Provide a stack whose key is imported, kept, attacked by one of its name, and rotated."""
    project = module_project
    secret_key = keys.new_secret_key(RECIPE_NAME)
    plain, second = {"name": "nixbuilder"}, {"name": "nixbuilder", "generation": 2}

    def change(writer: dict[str, Any]) -> tuple[dict[str, str], dict[str, Any]]:
        project.set(writers=[writer])
        planned = project.planned()
        project.up()
        return planned, all_keys(project)

    project.set(writers=[plain])
    project.set_secret("writers[0].signingKey", secret_key)
    project.up()
    brought = all_keys(project)
    taken_out = change(plain)
    before = project.resources()
    project.set_secret("writers[0].signingKey", keys.new_secret_key(RECIPE_NAME))
    refusal = project.run("up", "--yes", "--stack", STACK)
    project.set(writers=[second])
    project.set_secret("writers[0].signingKey", secret_key)
    kept_in = project.run("up", "--yes", "--stack", STACK)
    resources = (before, project.resources())
    refused = all_keys(project)
    return Adoption(
        secret_key,
        brought,
        taken_out,
        refusal,
        kept_in,
        resources,
        refused,
        rotated=change(second),
    )


def test_a_key_that_is_brought_in_is_used_as_it_is(adoption: Adoption) -> None:
    """Under its own name."""
    assert adoption.brought == {
        "publicKeys": [keys.public_half(adoption.secret_key)],
        "signingKeys": {"nixbuilder": adoption.secret_key},
    }


def test_a_key_that_was_brought_in_stays_when_the_configuration_no_longer_has_it(
    adoption: Adoption,
) -> None:
    """The state has it by then, so no user has to keep it in two places."""
    planned, after = adoption.taken_out

    assert not {"replace", "delete", "create"} & set(planned.values())
    assert after == adoption.brought


def test_another_key_of_the_same_name_is_refused(adoption: Adoption) -> None:
    """Clients know a key by its name, and would refuse what one of the two signed."""
    assert adoption.refusal.exit_code != 0
    assert f"another key is already in use under the name '{RECIPE_NAME}'" in (
        adoption.refusal.output
    )
    assert "give the new one its own name" in adoption.refusal.output
    assert "Traceback" not in adoption.refusal.output


def test_a_key_that_is_brought_in_for_two_generations_is_refused(adoption: Adoption) -> None:
    """It would look like a rotation, and the old key would go on being used."""
    assert adoption.kept_in.exit_code != 0
    assert f"'{RECIPE_NAME}', is that of an earlier generation" in adoption.kept_in.output
    assert "Remove signingKey" in adoption.kept_in.output
    assert "Traceback" not in adoption.kept_in.output


def test_a_refused_key_changes_nothing(adoption: Adoption) -> None:
    """Neither a key nor any other resource."""
    before, after = adoption.resources

    assert adoption.refused == adoption.brought
    assert after == before


def test_a_key_that_was_brought_in_is_rotated_like_any_other(adoption: Adoption) -> None:
    """The next generation is made here, and what the old key signed stays trusted."""
    planned, after = adoption.rotated

    assert planned == {"nix-cache-nixbuilder-key-2": "create", **RETOLD}
    assert keys.names(after["publicKeys"]) == ["cache.example.org-nixbuilder-2", RECIPE_NAME]
    assert after["publicKeys"][1] == keys.public_half(adoption.secret_key)
    assert keys.verifies(after["signingKeys"]["nixbuilder"], after["publicKeys"][0])


MARKED = """

def _mark(self, olds, news, *, _check=SigningKeyProvider.check):
    open({marker!r}, "w").close()
    return _check(self, olds, news)


SigningKeyProvider.check = _mark
"""
"""A change of the provider's source that leaves a trace when it runs."""


@dataclass(frozen=True)
class Upheaval:
    """All keys at first, and after each event; and what a changed source left behind."""

    at_first: dict[str, Any]
    after: dict[str, dict[str, Any]]
    imported: str
    copy: Path
    marker: Path


@pytest.fixture(scope="module")
def upheaval(module_folder: Path, engine: Engine, module_server: LocalServer) -> Upheaval:
    """Provide a stack of two writers, one with two keys, under changed provider sources."""
    project = public_cache(module_folder / "upheaval", engine, module_folder / "minio")
    project.set(bucket="upheaval", writers=[{"name": "nixbuilder", "generation": 2}, "ci-bot"])
    project.up()
    at_first = all_keys(project)

    copy, marker = module_folder / "copy", module_folder / "marker"
    shutil.copytree(ROOT / "components" / "nix_cache", copy / "nix_cache")
    with (copy / "nix_cache" / "dynamic" / "signing_key.py").open("a") as source:
        source.write(MARKED.format(marker=str(marker)))
    project.environment["PYTHONPATH"] = str(copy)
    imported = subprocess.run(
        [project.folder / ".venv" / "bin" / "python", "-c", PRINT_SOURCE],
        env=project.variables(),
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    project.up()
    after = {"changed-source": all_keys(project)}
    project.pulumi("refresh", "--yes", "--stack", STACK)
    after["refresh-with-changed-source"] = all_keys(project)
    return Upheaval(at_first, after, imported, copy, marker)


PRINT_SOURCE = "import nix_cache.dynamic.signing_key as module; print(module.__file__)"


@pytest.mark.parametrize("event", ["changed-source", "refresh-with-changed-source"])
def test_keys_survive(upheaval: Upheaval, event: str) -> None:
    """A new version of the code that made them."""
    assert len(upheaval.at_first["publicKeys"]) == 3
    assert upheaval.after[event] == upheaval.at_first


def test_the_changed_source_was_what_ran(upheaval: Upheaval) -> None:
    """Else the test above would show nothing."""
    assert upheaval.imported == str(upheaval.copy / "nix_cache" / "dynamic" / "signing_key.py")
    assert upheaval.marker.exists()


def test_a_protected_cache_refuses_to_be_destroyed_until_protection_is_off(
    project: Project, server: LocalServer, connection: Connection, admin: MinioServer
) -> None:
    """Its keys and what is in the bucket cannot be made again."""
    project.set(protect=True)
    project.up()
    before, resources = all_keys(project), project.resources()
    root = s3_client(server.url, connection.user, connection.password)
    root.put_object(Bucket="nix-cache", Key="nar/some.nar", Body=b"a NAR")

    refusal = project.run("destroy", "--yes", "--stack", STACK)

    assert refusal.exit_code != 0
    assert "nix-cache-nixbuilder-key-1" in refusal.output
    assert "protect" in refusal.output
    assert all_keys(project) == before
    assert project.resources() == resources
    assert root.get_object(Bucket="nix-cache", Key="nar/some.nar")["Body"].read() == b"a NAR"
    assert admin.has(NameKind.USER, "nixbuilder")

    project.set(protect=False)
    project.up()
    assert all_keys(project) == before
    project.destroy()
    assert root.list_buckets()["Buckets"] == []
    assert project.resources() == {}
