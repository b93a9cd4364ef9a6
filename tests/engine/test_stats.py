"""`nix-cache stats` on a real MinIO. `tests/unit/cli/test_stats.py` shows what counts how."""

import json
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.engine.patient import OWNER, Patient
from tests.engine.project import public_cache
from tools.engine import Engine
from tools.server import LocalServer


@pytest.fixture(scope="module")
def patient(module_folder: Path, engine: Engine, module_server: LocalServer) -> Patient:
    """Provide a public cache."""
    project = public_cache(module_folder / "cache", engine, module_folder / "minio")
    project.up()
    return Patient(module_server, project.outputs(secrets=True), module_folder / "home")


def test_the_figures_are_those_of_the_bucket(patient: Patient) -> None:
    small, large = patient.new_path("small"), patient.new_path("large", content=bytes(1_000_000))
    with patient.having(small, large):
        source, file = str(patient.source()), patient.home / "nix-cache.prom"
        done = patient.command(
            "stats", source, "--owner", OWNER, "--json", "--prometheus", str(file)
        )
        listed = patient.root.list_objects_v2(Bucket=patient.bucket)["Contents"]
        shown = patient.command("stats", source, "--owner", OWNER)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["paths"] == 2
    assert result["bytes"] == sum(one["Size"] for one in listed)
    assert result["storedNarBytes"] == len(small.nar) + len(large.nar)
    assert result["narBytes"] == small.info.nar_size + large.info.nar_size
    key = patient.outputs["manifest"]["keyNames"]["nixbuilder"]
    assert result["byKey"][key]["paths"] == 2
    assert {one["path"] for one in result["largest"]} == {
        small.info.store_path,
        large.info.store_path,
    }
    families = {one.name: one for one in text_string_to_metric_families(file.read_text())}
    assert families["nix_cache_paths"].samples[0].value == 2
    assert families["nix_cache_paths"].samples[0].labels == {"cache": patient.bucket}
    assert large.info.store_path in shown.stdout
    assert key in shown.stdout
