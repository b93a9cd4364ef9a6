"""A cache on a real service that is collected, removed from and restored, by owner or janitor."""

import contextlib
import io
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

from nix_cache.cli.gc import session
from tests.engine.patient import OWNER, Patient, StorePath


@dataclass
class Versioned:
    """A cache whose bucket may keep versions.

    Attributes:
        patient: the cache.
        owner: the profile by which it is collected; None for its janitor.
        writer: whose key signs its paths.
    """

    patient: Patient
    owner: str | None = OWNER
    writer: str = "nixbuilder"

    def change(self, status: Any) -> None:
        """Let the bucket keep versions, or no longer."""
        self.patient.root.put_bucket_versioning(
            Bucket=self.patient.bucket, VersioningConfiguration={"Status": status}
        )

    def put(self, name: str, *needed: StorePath) -> StorePath:
        """Put a path."""
        key = self.patient.outputs["signingKeys"][self.writer]
        path = self.patient.new_path(name, [one.info.base_name for one in needed], key=key)
        self.patient.put(path.info.url, path.nar)
        self.patient.put(path.info.key, path.narinfo.encode())
        return path

    def present(self) -> set[str]:
        """Return the keys of what readers find."""
        found = self.patient.root.list_objects_v2(Bucket=self.patient.bucket).get("Contents", [])
        return {one["Key"] for one in found}

    def history(self, *paths: StorePath) -> set[str]:
        """Return the keys of some paths of which there is any version or marker."""
        found = self.patient.root.list_object_versions(Bucket=self.patient.bucket)
        listed = [*found.get("Versions", []), *found.get("DeleteMarkers", [])]
        keys = {key for path in paths for key in (path.info.key, path.info.url)}
        return keys & {one["Key"] for one in listed}

    def collect(self, days: float) -> tuple[dict[str, Any], str]:
        """Collect without grace after some days; returns the result, and what is said."""
        source = str(self.patient.source())
        return collected(self.patient.environment(), days, cache=source, owner=self.owner)

    def undo(self, run: str, *options: str) -> tuple[int, dict[str, Any], str]:
        """Run `gc --undo`; returns its exit code, its result and what it says."""
        return self._run("gc", str(self.patient.source()), "--undo", run, "--yes", *options)

    def remove(self, *arguments: str) -> tuple[int, dict[str, Any], str]:
        """Run `remove`; returns its exit code, its result and what it says."""
        return self._run("remove", *arguments, "--cache", str(self.patient.source()), "--yes")

    def pins(self) -> dict[str, Any]:
        """Return what `nix-cache pins` lists, by name."""
        code, listed, said = self._run("pins", str(self.patient.source()))
        assert code == 0, said
        return {pin["name"]: pin for pin in listed["pins"]}

    def _run(self, *arguments: str) -> tuple[int, dict[str, Any], str]:
        owner = () if self.owner is None else ("--owner", self.owner)
        done = self.patient.command(*arguments, *owner, "--json")
        return done.returncode, json.loads(done.stdout or "{}"), done.stderr


def collected(
    environment: Mapping[str, str],
    days: float,
    *,
    cache: str | None = None,
    owner: str | None = None,
) -> tuple[dict[str, Any], str]:
    """Collect what is older than a day some days from now, without grace.

    Args:
        environment: that of the machine's user.
        days: how many days from now.
        cache: its name or source; None for the one in use on the machine.
        owner: the profile; None for the cache's janitor.

    Returns:
        the result for programs, and what is said.
    """
    request = session.CollectionRequest(
        cache=cache,
        project=None,
        owner=owner,
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
        mock.patch.dict(os.environ, environment, clear=True),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        session.run(request, as_json=True, clock=lambda: now)
    return json.loads(out.getvalue()), err.getvalue()
