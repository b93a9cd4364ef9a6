"""What a janitor's key of Backblaze B2 removes for good, and what B2 keeps for some days.

The S3 side is a fake with the rights of the key's capabilities (`b2_s3_side.py`).
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine import b2_project, b2_s3_side
from tests.engine.b2_project import BUCKET
from tests.engine.patient import Patient
from tests.engine.versioned import Versioned
from tools.engine import Engine
from tools.server import LocalServer


@pytest.fixture(scope="module")
def cache(module_folder: Path, engine: Engine, module_server: LocalServer) -> Iterator[Versioned]:
    """Provide a public cache with a janitor, which has no other credential of the bucket."""
    with b2_project.running_service() as b2:
        project = b2_project.b2_cache(module_folder / "project", engine, b2, janitor=True)
        project.set(b2={"region": "us-west-004", "endpoint": module_server.url})
        project.up()
        b2_s3_side.carry_over(b2.service, module_server)
        outputs = project.outputs(secrets=True)
        yield Versioned(Patient(module_server, outputs, module_folder / "home"), owner=None)


def test_a_collection_hides_what_it_deletes_and_can_be_undone(cache: Versioned) -> None:
    """B2 keeps what is hidden for 7 days."""
    old = cache.put("old")
    before = cache.present()

    collected, said = cache.collect(2)

    assert collected["versioning"] == "enabled"
    assert "--undo RUN" in said
    assert not {old.info.key, old.info.url} & cache.present()
    assert cache.history(old) == {old.info.key, old.info.url}
    code, _, said = cache.undo(collected["run"])
    assert code == 0, said
    assert cache.present() >= before


def test_a_removed_secret_leaves_no_version(cache: Versioned) -> None:
    """Also not of a path that was hidden before, as by plain S3 tools."""
    secret, hidden, other = cache.put("secret"), cache.put("hidden"), cache.put("other")
    root = cache.patient.root
    root.put_object(Bucket=BUCKET, Key=secret.info.url, Body=secret.nar)
    for key in (hidden.info.key, hidden.info.url):
        root.delete_object(Bucket=BUCKET, Key=key)
    assert len(cache.history(secret, hidden)) == 4

    code, result, said = cache.remove(secret.info.store_path, hidden.info.store_path)

    assert code == 0, said
    assert cache.history(secret, hidden) == set()
    assert result["versioning"] == "enabled"
    assert result["versions"] == 5
    assert {other.info.key, other.info.url} <= cache.present()
