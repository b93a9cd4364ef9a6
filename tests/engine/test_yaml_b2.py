"""The component in YAML on Backblaze B2, where the plugin itself serves all that there is."""

from pathlib import Path

import pytest

from tests.engine.b2_project import BUCKET, b2
from tests.engine.b2_server import B2Server
from tests.engine.b2_service import REGION
from tests.engine.plugin_project import BUILD_SECONDS, PluginProject, add_language, copy_plugin
from tests.engine.project import STACK
from toolchain.engine import Engine

__all__ = ["b2"]

pytestmark = pytest.mark.timeout(BUILD_SECONDS)


@pytest.fixture
def cache(tmp_path: Path, engine: Engine, b2: B2Server) -> PluginProject:
    """The example on B2, not up yet. The account is known from the stack's configuration alone."""
    add_language(engine, "yaml")
    copy_plugin(tmp_path / "components", "b2")
    project = PluginProject.of_example("yaml", tmp_path / "examples" / "yaml", engine)
    project.rewrite(
        (
            "minio:\n        endpoint: ${endpoint}\n",
            f"backend: b2\n      bucket: {BUCKET}\n      b2:\n        region: {REGION}\n",
        )
    )
    project.config |= {
        "b2:realm": b2.url,
        "b2:applicationKeyId": b2.service.key_id,
    }
    project.set_config_secret("b2:applicationKey", b2.service.key)
    return project


def test_a_stack_in_yaml_makes_changes_and_removes_a_cache_on_b2(
    b2: B2Server, cache: PluginProject
) -> None:
    """Destroying runs no program, so what reaches the account is kept, encrypted."""
    cache.up()
    assert b2.service.texts(BUCKET).keys() == {"nix-cache-info", "index.html", "nix-cache.json"}
    cache.up("--refresh", "--expect-no-changes")

    cache.rewrite(("- name: laptop", "- name: tablet"))
    cache.up()
    assert b2.service.keys().keys() == {"ci-runner", "tablet"}
    assert b2.service.key not in cache.state_file.read_text()

    cache.pulumi("destroy", "--yes", "--stack", STACK)

    assert cache.state.resources() == []
    assert b2.service.bucket_name_to_bucket == {}
    assert b2.service.keys() == {}
