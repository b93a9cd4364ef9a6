"""Settings that are outputs of other resources, in a Python program under the engine.

Only this module brings a Python program up whose endpoint is not known when the cache is planned.
In YAML and Go, `test_component_plugin.py` and `test_go_program.py` do the same by the plugin. What
each kind of output does in each setting is shown in `tests/unit/backends/test_references.py`.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3

from tests.engine.project import STACK, Project
from tests.engine.secret_search import files_below, leaks
from tests.engine.state import MASK
from tools.engine import Engine
from tools.server import LocalServer

pytestmark = pytest.mark.faults

PROGRAM = '''"""Two caches whose endpoint has the name of another resource, here a bucket."""

import pulumi
import pulumi_minio as minio
from nix_cache import BinaryCache

config = pulumi.Config()
host = minio.S3Bucket("host", bucket="localhost", acl="private")
port = config.require("port")
endpoint = pulumi.Output.concat(config.require("scheme"), "://", host.id, ":", port)
common = {"domain": "cache.example.org", "protect": False}
known = BinaryCache("known", {**common, "bucket": "of-known", "public": True,
    "minio": {"endpoint": endpoint}})
hidden = BinaryCache("hidden", {**common, "bucket": "of-hidden",
    "minio": {"endpoint": pulumi.Output.secret(endpoint)}})
for name, cache in {"known": known, "hidden": hidden}.items():
    pulumi.export(name, {"readUrl": cache.read_url, "pushUrls": cache.push_urls,
        "nixConf": cache.nix_conf, "manifest": cache.manifest, "bucketName": cache.bucket_name})
'''


@pytest.fixture
def project(tmp_path: Path, engine: Engine, server: LocalServer) -> Iterator[Project]:
    """Provide the program, not up yet, and removed with all that it created."""
    project = Project.create(tmp_path / "project", engine)
    (project.folder / "__main__.py").write_text(PROGRAM)
    connection = server.connection()
    project.environment = {
        "MINIO_ENDPOINT": connection.server,
        "MINIO_USER": connection.user,
        "MINIO_PASSWORD": connection.password,
    }
    project.set(scheme="http", port=server.url.rpartition(":")[2])
    yield project
    if project.state.resources():
        project.destroy()


def test_a_python_program_computes_an_endpoint_from_another_resource(
    project: Project, server: LocalServer
) -> None:
    """Unknown in the preview, refused where it turns out wrong, secret where it is a secret."""
    port = server.url.rpartition(":")[2]
    planned = project.preview("--diff")
    for what_is_known in ("::known-nix-cache-info]", "::hidden-nixreader]", '"of-hidden"'):
        assert what_is_known in planned
    assert "readUrl   : [unknown]" in planned
    assert f"localhost:{port}" not in planned

    project.set(scheme="ftp")
    refused = project.run("up", "--yes", "--skip-preview", "--stack", STACK)
    assert refused.exit_code != 0
    # Either cache can be the first to fail, and the value of the hidden one is not shown.
    value = re.escape(f" = 'ftp://localhost:{port}'")
    assert re.search(rf"minio\.endpoint({value})? is not a full URL", refused.output)
    assert "fix: set it to a URL of scheme, host and port" in refused.output
    assert "Traceback" not in refused.output
    of_caches = {
        resource["type"].rpartition(":")[2]
        for name, resource in project.resources().items()
        if name != "host" and not resource["type"].startswith("pulumi:")
    }
    assert of_caches <= {"BinaryCache", "SigningKey", "NameReservation"}

    project.set(scheme="http")
    project.up()
    assert project.planned() == {}
    url = f"http://localhost:{port}"
    shown, in_clear = project.outputs(), project.outputs(secrets=True)
    assert shown["known"] == in_clear["known"]
    assert shown["known"]["readUrl"] == f"{url}/of-known"
    published = json.loads(
        urllib3.request("GET", f"{url}/of-known/nix-cache.json", retries=False).data
    )
    assert published["endpoint"] == url

    assert in_clear["hidden"]["manifest"]["endpoint"] == url
    assert set(shown["hidden"].items()) == {
        ("bucketName", "of-hidden"),
        *((name, MASK) for name in ("readUrl", "pushUrls", "nixConf", "manifest")),
    }
    kept = files_below(project.folder / "state")
    assert leaks(kept, {"push URL": in_clear["hidden"]["pushUrls"]["nixbuilder"]}) == {}
