"""The component in Go: an SDK made from the plugin, compiled into a program that creates a cache.

Only a compiler shows that the generated SDK is whole. What the plugin does with arguments and
mistakes is the same for all languages, and shown in `test_component_plugin.py`.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3

from nix_cache.backends.minio.connection import NameKind
from nix_cache.backends.minio.server import MinioServer
from nix_cache.formats import signing
from offline import builds, golang
from tests.engine.plugin_project import (
    BUILD_SECONDS,
    INSTALL_SECONDS,
    PluginProject,
    add_language,
    copy_plugin,
)
from tests.engine.project import STACK
from tests.engine.state import MASK
from tools.bootstrap import cache_folder
from tools.engine import Engine
from tools.server import LocalServer

pytestmark = [pytest.mark.languages, pytest.mark.timeout(BUILD_SECONDS)]

COMPILE_SECONDS = 900
"""A limit for the first compilation of Pulumi's SDK for Go, on a busy machine."""


@pytest.fixture(scope="module")
def go_program(module_folder: Path, engine: Engine, module_server: LocalServer) -> PluginProject:
    """Provide the example with its SDK. Go's compiled packages stay in the toolchain's cache."""
    add_language(engine, "go")
    plugin = copy_plugin(module_folder / "components")
    project = PluginProject.of_example("go", module_folder / "examples" / "go", engine)
    project.use_server(module_server)
    least = golang.needed_version(project.folder / "go.mod")
    compiled = cache_folder() / "go-example"
    (module_folder / "tmp").mkdir()
    go = golang.find(least) or golang.install(builds.GO_PACKAGE, module_folder / "go", least)
    path = f"{go.executable.parent}:{project.variables()['PATH']}"
    project.environment |= golang.environment(go, compiled)
    project.environment |= {"GOTMPDIR": str(module_folder / "tmp"), "PATH": path}
    options = ("--language", "go", "--out", "sdk")
    project.pulumi("package", "gen-sdk", str(plugin), *options, timeout=INSTALL_SECONDS)
    return project


@pytest.fixture
def key(go_program: PluginProject) -> Iterator[str]:
    """Provide a signing key in the program's secret configuration."""
    brought_in = signing.generate("laptop-of-a-team-1").secret_text
    go_program.set_config_secret(f"{go_program.name}:laptopKey", brought_in)
    yield brought_in
    go_program.config.pop(f"{go_program.name}:laptopKey")


def test_a_program_in_go_makes_a_cache_and_removes_it(
    go_program: PluginProject, key: str, module_server: LocalServer
) -> None:
    """By an SDK that compiles; the second preview has nothing to do."""
    admin = MinioServer(module_server.connection())

    go_program.pulumi("up", "--yes", "--skip-preview", "--stack", STACK, timeout=COMPILE_SECONDS)

    outputs, masked = go_program.outputs(secrets=True), go_program.outputs()
    info = urllib3.request("GET", f"{outputs['readUrl']}/nix-cache-info", retries=False)
    assert info.status == 200
    assert outputs["signingKeys"]["laptop"] == key
    assert {masked["credentials"], masked["signingKeys"]} == {MASK}
    assert admin.has(NameKind.USER, "ci-runner")
    assert go_program.planned() == {}

    go_program.destroy()

    assert go_program.state.resources() == []
    assert not admin.has(NameKind.USER, "ci-runner")


OTHER_RESOURCE = (
    (
        "func main() {",
        """type host struct{ pulumi.CustomResourceState }

func main() {""",
    ),
    (
        """		cache, err :=""",
        """		var other host
		bucket := pulumi.Map{"bucket": pulumi.String("localhost")}
		err := ctx.RegisterResource("minio:index/s3Bucket:S3Bucket", "host", bucket, &other)
		if err != nil {
			return err
		}
		computed := pulumi.Sprintf("%s://%s:%s", settings.Require("scheme"), other.ID(),
			settings.Require("port"))
		endpoint := pulumi.All(computed).ApplyT(func(known []any) string {
			return known[0].(string)
		}).(pulumi.StringOutput)
		if settings.GetBool("hidden") {
			endpoint = pulumi.ToSecret(endpoint).(pulumi.StringOutput)
		}
		cache, err :=""",
    ),
    (
        'Endpoint: pulumi.String(settings.Require("endpoint"))',
        "Endpoint: endpoint",
    ),
    (
        """			Public:  pulumi.BoolRef(true),""",
        """			Public:  pulumi.BoolRef(true),
			Backend: pulumi.StringRef(string(nixcache.BackendMinio)),""",
    ),
)
"""The example, with an endpoint that another resource has, and a choice by its enum."""


def test_a_program_in_go_computes_an_endpoint_from_another_resource(
    go_program: PluginProject, module_server: LocalServer
) -> None:
    """Unknown, wrong, secret and right, as in YAML."""
    source = go_program.folder / "main.go"
    example, port = source.read_text(), module_server.url.rpartition(":")[2]
    program = example
    for old, new in OTHER_RESOURCE:
        assert old in program
        program = program.replace(old, new, 1)
    source.write_text(program)
    own = {f"{go_program.name}:{key}": "" for key in ("scheme", "port", "hidden")}
    try:
        scheme, _, hidden = own
        go_program.config |= {scheme: "ftp", f"{go_program.name}:port": port, hidden: "true"}
        published = go_program.run("preview", "--stack", STACK, timeout=COMPILE_SECONDS)
        assert published.exit_code != 0
        assert "minio.endpoint is a secret, but the cache publishes it" in published.output

        go_program.config[hidden] = "false"
        assert f"localhost:{port}" not in go_program.preview("--diff")
        refused = go_program.run("up", "--yes", "--skip-preview", "--stack", STACK)
        assert refused.exit_code != 0
        assert f"minio.endpoint = 'ftp://localhost:{port}' is not a full URL" in refused.output

        go_program.config[scheme] = "http"
        go_program.up()
        assert go_program.outputs()["readUrl"] == f"http://localhost:{port}/nix-cache"
        assert go_program.planned() == {}
    finally:
        go_program.destroy()
        source.write_text(example)
        for key in own:
            go_program.config.pop(key, None)


def test_the_example_in_go_is_brought_up_by_what_its_readme_says(
    go_program: PluginProject, module_server: LocalServer
) -> None:
    """From the SDK to a cache, in its own stack."""
    connection = module_server.connection()

    go_program.type_readme(connection)

    assert MinioServer(connection).has(NameKind.USER, "laptop")
