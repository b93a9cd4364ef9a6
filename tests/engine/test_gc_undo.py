"""`nix-cache gc --undo` on a real MinIO. What is restored: `tests/unit/cli/test_gc_undo.py`."""

import contextlib
import io
import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from nix_cache.cli.gc import session
from tests.engine.patient import OWNER, Patient, StorePath
from tests.engine.project import public_cache
from tools.engine import Engine
from tools.server import LocalServer


@dataclass
class Versioned:
    """A cache whose bucket may keep versions."""

    patient: Patient

    def change(self, status: Any) -> None:
        """Let the bucket keep versions, or no longer."""
        self.patient.root.put_bucket_versioning(
            Bucket=self.patient.bucket, VersioningConfiguration={"Status": status}
        )

    def put(self, name: str, *needed: StorePath) -> StorePath:
        """Put a path."""
        path = self.patient.new_path(name, [one.info.base_name for one in needed])
        self.patient.put(path.info.url, path.nar)
        self.patient.put(path.info.key, path.narinfo.encode())
        return path

    def present(self) -> set[str]:
        """Return the keys of what readers find."""
        found = self.patient.root.list_objects_v2(Bucket=self.patient.bucket).get("Contents", [])
        return {one["Key"] for one in found}

    def collect(self, days: float) -> tuple[dict[str, Any], str]:
        """Collect without grace after some days; returns the result, and what is said."""
        request = session.CollectionRequest(
            cache=str(self.patient.source()),
            project=None,
            owner=OWNER,
            older_than_days=1,
            grace_days=0,
            roots_from=None,
            dry_run=False,
            agreed=True,
            jobs=4,
        )
        out, err = io.StringIO(), io.StringIO()
        now = datetime.now(UTC) + timedelta(days=days)
        with (
            mock.patch.dict(os.environ, self.patient.environment(), clear=True),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            session.run(request, as_json=True, clock=lambda: now)
        return json.loads(out.getvalue()), err.getvalue()

    def undo(self, run: str, *options: str) -> tuple[int, dict[str, Any], str]:
        """Run the command; returns its exit code, its result and what it says."""
        source = str(self.patient.source())
        arguments = ("gc", source, "--owner", OWNER, "--undo", run, "--yes", "--json", *options)
        done = self.patient.command(*arguments)
        return done.returncode, json.loads(done.stdout or "{}"), done.stderr


@pytest.fixture(scope="module")
def cache(module_folder: Path, engine: Engine, module_server: LocalServer) -> Versioned:
    """Provide a public cache."""
    project = public_cache(module_folder / "cache", engine, module_folder / "minio")
    project.up()
    outputs = project.outputs(secrets=True)
    return Versioned(Patient(module_server, outputs, module_folder / "home"))


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
        assert (code, result["narinfos"]) == (0, [])
        source = str(cache.patient.source())
        done = cache.patient.command("gc", source, "--owner", OWNER, "--undo", collected["run"])
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("Nothing to restore of the collection of 20")
        code, _, said = cache.undo("unknown")
        assert code == 1
        assert collected["run"] in said
    finally:
        cache.change("Suspended")
