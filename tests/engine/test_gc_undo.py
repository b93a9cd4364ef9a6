"""`nix-cache gc --undo` on a real MinIO. What is restored: `tests/unit/cli/test_gc_undo.py`."""

from pathlib import Path

import pytest

from tests.engine.patient import Patient
from tests.engine.project import public_cache
from tests.engine.versioned import Versioned
from tools.engine import Engine
from tools.server import LocalServer


@pytest.fixture(scope="module")
def cache(module_folder: Path, engine: Engine, module_server: LocalServer) -> Versioned:
    """Provide a public cache, whose janitor collects and restores."""
    project = public_cache(module_folder / "cache", engine, module_folder / "minio", janitor=True)
    project.up()
    outputs = project.outputs(secrets=True)
    return Versioned(Patient(module_server, outputs, module_folder / "home"), owner=None)


def test_a_bucket_without_versions_is_refused_and_gc_says_so_before(cache: Versioned) -> None:
    cache.put("gone")
    collected, said = cache.collect(2)
    assert "cannot be restored" in said
    assert collected["versioning"] == "never"
    code, _, said = cache.undo(collected["run"])
    assert code == 1
    assert "keeps no versions" in said


def test_a_run_is_undone_and_later_pushes_and_deletions_stay(cache: Versioned) -> None:
    cache.change("Enabled")
    try:
        library = cache.put("library")
        program = cache.put("program", library)
        again, other = cache.put("again"), cache.put("other")
        cache.patient.root.delete_object(Bucket=cache.patient.bucket, Key=other.info.key)
        before = cache.present()

        collected, said = cache.collect(2)
        assert "--undo RUN" in said
        assert program.info.key not in cache.present()
        assert program.info.url not in cache.present()
        cache.patient.put(again.info.url, again.nar)
        cache.patient.put(again.info.key, again.narinfo.encode())

        code, shown, said = cache.undo(collected["run"], "--dry-run")
        assert code == 0, said
        assert program.info.key not in cache.present()
        code, result, said = cache.undo(collected["run"])
        assert code == 0, said
        assert (shown["dryRun"], result["dryRun"]) == (True, False)
        assert shown["narinfos"] == result["narinfos"]
        assert result["narinfos"].index(library.info.key) < result["narinfos"].index(
            program.info.key
        )
        assert again.info.key not in result["narinfos"]
        assert cache.present() >= before
        assert other.info.key not in cache.present()
        body = cache.patient.root.get_object(Bucket=cache.patient.bucket, Key=program.info.url)
        assert body["Body"].read() == program.nar

        code, result, said = cache.undo(collected["run"])
        assert (code, result["narinfos"], result["dryRun"]) == (0, [], False)
        source = str(cache.patient.source())
        done = cache.patient.command("gc", source, "--undo", collected["run"])
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("Nothing to restore of the collection of 20")
        code, _, said = cache.undo("unknown")
        assert code == 1
        assert collected["run"] in said
    finally:
        cache.change("Suspended")
