"""The component in YAML on the other backends, where the plugin serves dynamic resources itself.

Only this module destroys such a stack without its program. MinIO is in `test_component_plugin.py`.
"""

from pathlib import Path

import pytest

from tests.engine.b2_project import BUCKET, b2
from tests.engine.plugin_project import BUILD_SECONDS, PluginProject, add_language, copy_plugin
from tests.engine.project import STACK
from tests.engine.spaces_project import spaces, spaces_engine, spaces_server
from tests.fakes.aws_server import AwsServer
from tests.fakes.b2_server import B2Server
from tests.fakes.b2_service import REGION as B2_REGION
from tests.fakes.spaces_buckets import REGION as SPACES_REGION
from tests.fakes.spaces_service import SpacesService
from tools.engine import Engine

__all__ = ["b2", "spaces", "spaces_engine", "spaces_server"]

pytestmark = [pytest.mark.languages, pytest.mark.timeout(BUILD_SECONDS)]


def example_on(backend: str, region: str, folder: Path, engine: Engine) -> PluginProject:
    """Return the example on another backend, not up yet."""
    add_language(engine, "yaml")
    copy_plugin(folder / "components", backend)
    project = PluginProject.of_example("yaml", folder / "examples" / "yaml", engine)
    project.rewrite(
        (
            "minio:\n        endpoint: ${endpoint}\n",
            f"backend: {backend}\n      bucket: {BUCKET}\n"
            f"      {backend}:\n        region: {region}\n",
        )
    )
    return project


def test_a_stack_in_yaml_makes_changes_and_removes_a_cache_on_b2(
    tmp_path: Path, engine: Engine, b2: B2Server
) -> None:
    """Destroying runs no program, so what reaches the account is kept, encrypted."""
    cache = example_on("b2", B2_REGION, tmp_path, engine)
    cache.config |= {"b2:realm": b2.url, "b2:applicationKeyId": b2.service.key_id}
    cache.set_config_secret("b2:applicationKey", b2.service.key)
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


def test_a_stack_in_yaml_makes_a_private_cache_on_spaces_and_removes_it(
    tmp_path: Path, spaces_engine: Engine, spaces: SpacesService
) -> None:
    """The plugin asks the account for what is in the way."""
    cache = example_on("spaces", SPACES_REGION, tmp_path, spaces_engine)
    cache.rewrite(("public: true", "public: false"))
    cache.config |= spaces.provider_config
    cache.environment |= spaces.environment

    cache.up()

    assert cache.outputs(secrets=True)["credentials"].keys() == {"ci-runner", "laptop", "nixreader"}
    assert cache.planned() == {}
    cache.destroy()
    assert cache.state.resources() == []


@pytest.mark.aws
def test_a_stack_in_yaml_plans_a_cache_on_aws(
    tmp_path: Path, aws_engine: Engine, aws_server: AwsServer
) -> None:
    """With all that the AWS plugin is asked for."""
    cache = example_on("aws", "eu-central-1", tmp_path, aws_engine)
    cache.config |= aws_server.config() | {"aws:region": "eu-central-1"}
    cache.environment |= aws_server.environment()

    planned = cache.planned()

    assert set(planned.values()) == {"create"}
    assert planned.keys() >= {"cache", "cache-own", "cache-bucket", "cache-ci-runner-key-1"}
