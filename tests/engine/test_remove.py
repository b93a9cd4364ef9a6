"""`nix-cache remove` on a real MinIO, with and without versions.

What is removed and kept is shown in `tests/unit/cli/test_remove.py`.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nix_cache.formats import signing
from tests.engine.patient import OWNER, Patient, StorePath
from tests.engine.project import public_cache
from tools.engine import Engine
from tools.server import LocalServer


@pytest.fixture(scope="module")
def patient(module_folder: Path, engine: Engine, module_server: LocalServer) -> Patient:
    """Provide a public cache."""
    project = public_cache(module_folder / "cache", engine, module_folder / "minio")
    project.up()
    return Patient(module_server, project.outputs(secrets=True), module_folder / "home")


@pytest.fixture(scope="module")
def keeping_versions(patient: Patient) -> Iterator[Patient]:
    """Provide the cache with a bucket that keeps versions."""

    def change(status: Any) -> None:
        patient.root.put_bucket_versioning(
            Bucket=patient.bucket, VersioningConfiguration={"Status": status}
        )

    change("Enabled")
    yield patient
    change("Suspended")


def put(patient: Patient, *paths: StorePath) -> None:
    """Put paths, needed ones first."""
    for path in paths:
        patient.put(path.info.url, path.nar)
        patient.put(path.info.key, path.narinfo.encode())


def removed(patient: Patient, *arguments: str) -> tuple[int, dict[str, Any], str]:
    """Run the command; returns its exit code, its result and what it says."""
    source = str(patient.source())
    done = patient.command(
        "remove", *arguments, "--cache", source, "--owner", OWNER, "--yes", "--json"
    )
    return done.returncode, json.loads(done.stdout or "{}"), done.stderr


def versions(patient: Patient) -> set[str]:
    """Return the keys of all versions and markers in the bucket."""
    return {name.partition(" ")[0] for name in patient.everything() if name != "uploads"}


def present(patient: Patient) -> set[str]:
    """Return the keys of what readers find."""
    found = patient.root.list_objects_v2(Bucket=patient.bucket).get("Contents", [])
    return {one["Key"] for one in found}


def test_a_path_and_its_dependents_go_with_their_nars(patient: Patient) -> None:
    library = patient.new_path("library")
    program = patient.new_path("program", [library.info.base_name])
    other = patient.new_path("other")
    put(patient, library, program, other)

    code, result, said = removed(patient, library.info.store_path)
    assert (code, result["isRefused"]) == (1, True)
    assert program.info.store_path in said
    assert library.info.key in present(patient)

    code, result, said = removed(patient, library.info.store_path, "--with-dependents")
    assert code == 0, said
    assert result["narinfos"] == [program.info.key, library.info.key]
    gone = {one for path in (library, program) for one in (path.info.key, path.info.url)}
    assert not gone & present(patient)
    assert {other.info.key, other.info.url} <= present(patient)
    assert "keeps no versions" in said


def test_what_a_key_signed_goes(patient: Patient) -> None:
    leaked = signing.generate("leaked-1")
    bad = patient.new_path("bad", key=leaked.secret_text)
    good = patient.new_path("good")
    put(patient, bad, good)
    code, result, said = removed(patient, "--signed-by", leaked.public_text)
    assert code == 0, said
    assert result["paths"] == [bad.info.store_path]
    assert good.info.key in present(patient)


def test_old_versions_go_too_and_those_of_other_paths_stay(keeping_versions: Patient) -> None:
    """Also those of a path that was removed before, and the NAR that its narinfo named then."""
    patient = keeping_versions
    secret, other = patient.new_path("secret"), patient.new_path("other")
    put(patient, secret, other)
    earlier = secret.info.url
    again = StorePath(secret.narinfo.replace(earlier, f"nar/{'1' * 52}.nar"), b"another")
    put(patient, again)
    deleted = patient.new_path("deleted")
    put(patient, deleted)
    for key in (deleted.info.key, deleted.info.url):
        patient.root.delete_object(Bucket=patient.bucket, Key=key)
    realisation = f"realisations/sha256:{'0' * 64}!out.doi"
    for signatures in ([], ["demo-1:AAAA"]):
        document = {
            "dependentRealisations": {},
            "id": f"sha256:{'0' * 64}!out",
            "outPath": secret.info.base_name,
            "signatures": signatures,
        }
        patient.put(realisation, json.dumps(document).encode())
    keys = {secret.info.key, earlier, again.info.url, deleted.info.key, deleted.info.url}
    keys.add(realisation)
    assert keys <= versions(patient)

    code, result, said = removed(patient, secret.info.store_path, deleted.info.store_path)

    assert code == 0, said
    assert not keys & versions(patient)
    assert {other.info.key, other.info.url} <= present(patient)
    assert result["versioning"] == "enabled"
    assert result["versions"] == 8
