"""The component in YAML: a stack on MinIO by the plugin, which other languages use too.

Only this module passes arguments, secrets, providers and errors through the plugin, with an engine.
"""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3
import yaml
from botocore.exceptions import ClientError

from nix_cache.backends.minio.connection import Connection, NameKind
from nix_cache.backends.minio.server import MinioServer
from nix_cache.formats import signing
from tests.engine.conftest import running_server
from tests.engine.drift_command import drifted
from tests.engine.plugin_project import (
    BUILD_SECONDS,
    INSTALL_SECONDS,
    PluginProject,
    add_language,
    copy_plugin,
)
from tests.engine.project import STACK
from tests.engine.s3 import s3_client, user_client
from tests.engine.secret_search import files_below, leaks
from tests.engine.state import MASK
from tools.bootstrap import ROOT
from tools.engine import Engine
from tools.schema import SCHEMA
from tools.server import LocalServer

pytestmark = [pytest.mark.languages, pytest.mark.timeout(BUILD_SECONDS)]

NARINFO = "0123456789abcdfghijklmnpqrsvwxyz.narinfo"
LAPTOP = "- name: laptop"

SECRET_KEY = (
    ("config:\n", "config:\n  laptopKey:\n    type: string\n    secret: true\n"),
    (LAPTOP, f"{LAPTOP}\n          signingKey: ${{laptopKey}}"),
)
"""A program in which a writer has their own key, from secret configuration."""


HOST = (
    "resources:\n",
    "resources:\n  host:\n    type: minio:S3Bucket\n    properties:\n      bucket: localhost\n",
)
"""A program with another resource, whose id is the name of a host."""

SECRET_NUMBER = "priority: {'fn::secret': 30}"
UNKNOWN_LIST = "readers: {'fn::split': ['-', '${host.id}']}"


@pytest.fixture(scope="module")
def plugin(module_folder: Path, engine: Engine) -> Path:
    """Provide the plugin, beside what is to be an engine that speaks YAML."""
    add_language(engine, "yaml")
    return copy_plugin(module_folder / "components")


def example(folder: Path, plugin: Path, engine: Engine, server: LocalServer) -> PluginProject:
    """Return the example, two folders below the plugin's, as it stands in the repository."""
    project = PluginProject.of_example("yaml", plugin.parent / folder.name / "yaml", engine)
    project.use_server(server)
    return project


class Team:
    """A cache that is up, of two writers; one has brought a key in.

    Attributes:
        project: its stack.
        key: the key that was brought in.
        printed: what the engine printed on the way.
    """

    def __init__(self, project: PluginProject) -> None:
        self.project = project
        self.key = signing.generate("laptop-of-a-team-1").secret_text
        project.rewrite(*SECRET_KEY)
        project.set_config_secret(f"{project.name}:laptopKey", self.key)
        self.printed = project.preview("--diff")
        self.printed += project.up("--json")

    def outputs(self) -> dict[str, Any]:
        """Return the stack's outputs, secret ones in clear."""
        return self.project.outputs(secrets=True)


@pytest.fixture(scope="module")
def team(module_folder: Path, plugin: Path, engine: Engine, module_server: LocalServer) -> Team:
    """Provide the example's stack, up."""
    return Team(example(module_folder / "team", plugin, engine, module_server))


@pytest.fixture(scope="module")
def empty_server(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> Iterator[LocalServer]:
    """Another server, with nothing on it before and after each test."""
    with running_server(tmp_path_factory.mktemp("empty") / "minio", engine) as local:
        yield local


@pytest.fixture
def connection(empty_server: LocalServer) -> Connection:
    """How the administrator reaches the empty server."""
    return empty_server.connection()


@pytest.fixture
def unmade(
    tmp_path: Path, plugin: Path, engine: Engine, empty_server: LocalServer
) -> Iterator[PluginProject]:
    """Provide the example's stack on the empty server, not up yet, removed after the test."""
    project = example(tmp_path, plugin, engine, empty_server)
    yield project
    if project.state.resources():
        project.destroy()


def root_password(project: PluginProject) -> str:
    """Return the administrator's password, as the provider of a stack has it."""
    [provider] = [
        resource
        for resource in project.state.resources_in_clear()
        if resource["type"] == "pulumi:providers:minio"
    ]
    return str(provider["inputs"]["minioPassword"])


def test_the_engine_is_given_the_schema_that_is_kept(plugin: Path, team: Team) -> None:
    """By `pulumi package get-schema`, as SDKs of all languages are made from it."""
    asked = ("package", "get-schema", str(plugin))
    answer = team.project.run(*asked, timeout=INSTALL_SECONDS).checked("get-schema")
    got, kept = json.loads(answer.stdout), json.loads(SCHEMA.read_text())

    assert got["version"] == kept["version"]
    assert got["types"].keys() == kept["types"].keys()
    [cache], [kept_cache] = got["resources"].values(), kept["resources"].values()
    for part in ("inputProperties", "properties"):
        assert cache[part].keys() == kept_cache[part].keys()
        for name, described in kept_cache[part].items():
            assert cache[part][name]["description"] == described["description"], name


def test_a_stack_in_yaml_makes_a_cache_that_serves_and_cannot_be_listed(
    team: Team,
) -> None:
    """Anonymous requests read by name, and cannot list."""
    url = team.outputs()["readUrl"]

    info = urllib3.request("GET", f"{url}/nix-cache-info", retries=False)
    listing = urllib3.request("GET", f"{url}/?list-type=2", retries=False)

    assert (info.status, listing.status) == (200, 403)
    assert info.data == b"StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 40\n"


@pytest.mark.parametrize("writer", ["ci-runner", "laptop"])
def test_each_writer_of_a_stack_in_yaml_pushes_with_their_own_credential(
    team: Team, writer: str
) -> None:
    """What Nix writes can be put, and the cache's metadata cannot."""
    client = user_client(team.project, writer)

    client.put_object(Bucket="nix-cache", Key=NARINFO, Body=b"a narinfo")

    with pytest.raises(ClientError, match="AccessDenied"):
        client.put_object(Bucket="nix-cache", Key="nix-cache-info", Body=b"")


def test_a_key_from_secret_configuration_is_the_writers_key(team: Team) -> None:
    """The other writer gets one that is made for them."""
    outputs = team.outputs()

    assert outputs["signingKeys"]["laptop"] == team.key
    assert outputs["signingKeys"]["ci-runner"].startswith("cache.example.org-ci-runner-1:")
    assert signing.parse_secret_key(team.key).public_text in outputs["publicKeys"]


def test_what_is_secret_stays_secret_across_the_boundary(team: Team) -> None:
    """Neither the state, nor the configuration, nor what the engine printed has any secret."""
    outputs, masked = team.outputs(), team.project.outputs()
    secrets = {
        **{f"key of {w}": key.partition(":")[2] for w, key in outputs["signingKeys"].items()},
        **{user: pair["secretAccessKey"] for user, pair in outputs["credentials"].items()},
        "root password": root_password(team.project),
    }
    places = {
        **files_below(team.project.folder / "state"),
        "configuration": team.project.stack_file.read_bytes(),
        "printed": team.printed.encode(),
    }

    assert len(secrets) == 5
    assert {masked["credentials"], masked["signingKeys"]} == {MASK}
    assert leaks(places, secrets) == {}


def test_a_stack_in_yaml_that_is_up_has_nothing_left_to_do(team: Team) -> None:
    """Neither by the engine's word, nor after a look at the server."""
    assert team.project.planned() == {}
    team.project.up("--refresh", "--expect-no-changes")


def test_drift_of_a_cache_in_yaml_is_found(team: Team, module_server: LocalServer) -> None:
    """`nix-cache stack drift` reads the state, so it needs no program in Python."""
    assert drifted(team.project) == set()
    known, bucket = module_server.connection(), team.outputs()["manifest"]["bucket"]
    root = s3_client(module_server.url, known.user, known.password)
    info = root.get_object(Bucket=bucket, Key="nix-cache-info")["Body"].read()
    root.delete_object(Bucket=bucket, Key="nix-cache-info")
    try:
        found = drifted(team.project)
    finally:
        root.put_object(
            Bucket=bucket, Key="nix-cache-info", Body=info, ContentType="text/x-nix-cache-info"
        )

    assert found == {f"nix-cache-info was deleted from the bucket {bucket}"}


def test_the_policies_know_a_cache_in_yaml(team: Team, tmp_path: Path) -> None:
    """Also what the plugin itself serves: the keys are as little protected as the bucket."""
    preview = ("preview", "--stack", STACK, "--policy-pack", str(ROOT / "policies"))
    config = tmp_path / "policies.json"
    config.write_text(json.dumps({"deletion-protection": {"developmentStacks": []}}))

    passed = team.project.run(*preview)
    stopped = team.project.run(*preview, "--policy-pack-config", str(config))

    assert "nix-cache@v" in passed.checked("preview").output, "the pack was not asked"
    assert "[mandatory]" not in passed.output
    assert stopped.exit_code != 0
    for name in ("cache-bucket", "cache-laptop-key-1", "cache-ci-runner-key-1"):
        assert f"{name} is not protected" in stopped.output


def test_mistakes_are_reported_all_at_once_as_they_are_written(
    unmade: PluginProject, admin: MinioServer
) -> None:
    """With key, value and fix, and before anything is made."""
    unmade.rewrite(
        (LAPTOP, "- name: Laptop!"),
        (
            "public: true",
            "public: true\n      priority: 2000\n      storeDir: nix\n      bucket: A",
        ),
    )

    result = unmade.run("up", "--yes", "--skip-preview", "--stack", STACK)

    assert result.exit_code != 0
    for reported in (
        "4 mistakes in the settings of the cache. Nothing was changed.",
        "writers[1].name = 'Laptop!'",
        "priority = 2000",
        "storeDir = 'nix'",
        "bucket = 'A'",
        "fix: set it to an absolute path, such as /nix/store",
    ):
        assert reported in result.output
    assert "Traceback" not in result.output
    assert [r["type"] for r in unmade.state.resources() if "pulumi:" not in r["type"]] == []
    assert not admin.has(NameKind.USER, "ci-runner")


def test_a_secret_where_only_plain_values_may_be_is_named(unmade: PluginProject) -> None:
    """And its value is not."""
    unmade.rewrite(
        ("config:\n", "config:\n  domain:\n    type: string\n    secret: true\n"),
        ("domain: cache.example.org", "domain: ${domain}"),
    )
    unmade.set_config_secret(f"{unmade.name}:domain", "hidden.example.org")

    result = unmade.run("preview", "--stack", STACK)

    assert result.exit_code != 0
    assert "domain is a secret or an output of a resource" in result.output
    assert "hidden.example.org" not in result.output


def test_an_output_in_the_place_of_a_plain_value_a_list_or_an_object_is_named(
    unmade: PluginProject,
) -> None:
    """Nothing of it becomes an empty list or object; a choice and a number are named too."""
    unmade.rewrite(
        HOST,
        (LAPTOP, "- {'fn::secret': {name: laptop}}"),
        ("public: true", f"public: true\n      {SECRET_NUMBER}\n      {UNKNOWN_LIST}"),
        (
            "minio:\n        endpoint: ${endpoint}",
            "minio: {'fn::secret': {endpoint: 'http://a'}}\n      backend: ${host.id}",
        ),
    )

    result = unmade.run("preview", "--stack", STACK)

    assert result.exit_code != 0
    assert "5 mistakes in the settings of the cache. Nothing was changed." in result.output
    for key, fix in {
        "backend": "one of minio, aws, spaces, b2",
        "minio": "an object with endpoint, region or userPrefix",
        "priority": "a whole number from 0 to 1000",
        "readers": "a list of names of",
        "writers[1]": "an object with name",
    }.items():
        assert f"{key} is a secret or an output of a resource" in result.output
        assert f"fix: set it to a plain value: {fix}" in result.output
    assert "Traceback" not in result.output


def test_an_endpoint_may_be_an_output_of_a_resource_and_a_choice_is_its_value(
    unmade: PluginProject, connection: Connection
) -> None:
    """Unknown in the preview, and refused before any storage is made where it turns out wrong."""
    port = connection.server.partition(":")[2]
    unmade.rewrite(
        HOST,
        ("endpoint: ${endpoint}", f"endpoint: ftp://${{host.id}}:{port}"),
        ("public: true", "public: true\n      backend: minio"),
    )
    planned = unmade.preview("--diff")
    for what_is_known in ("::cache-nix-cache-info]", "::cache-laptop]", '"nix-cache"'):
        assert what_is_known in planned
    assert f"localhost:{port}" not in planned

    refused = unmade.run("up", "--yes", "--skip-preview", "--stack", STACK)
    assert refused.exit_code != 0
    assert f"minio.endpoint = 'ftp://localhost:{port}' is not a full URL" in refused.output
    assert "fix: set it to a URL of scheme, host and port" in refused.output
    assert "Traceback" not in refused.output
    root = s3_client(connection.url, connection.user, connection.password)
    assert [bucket["Name"] for bucket in root.list_buckets()["Buckets"]] == ["localhost"]

    unmade.rewrite(("ftp://", "http://"))
    unmade.up()
    assert unmade.outputs()["readUrl"] == f"http://localhost:{port}/nix-cache"
    assert unmade.planned() == {}


def test_a_secret_endpoint_is_published_nowhere(
    unmade: PluginProject, connection: Connection
) -> None:
    """A public cache that would is refused; a private one has it in secret outputs alone."""
    url = connection.url.replace("127.0.0.1", "localhost")
    unmade.rewrite(
        (
            "endpoint:\n    type: string\n    default: https://minio.example.org",
            "endpoint:\n    type: string\n    secret: true",
        )
    )
    unmade.config.pop(f"{unmade.name}:endpoint")
    unmade.set_config_secret(f"{unmade.name}:endpoint", url)

    refused = unmade.run("preview", "--stack", STACK)
    assert refused.exit_code != 0
    assert "minio.endpoint is a secret, but the cache publishes it in its bucket" in refused.output
    assert "fix: set manifest and landingPage to false" in refused.output

    unmade.rewrite(("public: true", "public: false"))
    printed = unmade.up("--json")
    outputs, masked = unmade.outputs(secrets=True), unmade.outputs()
    assert f"endpoint={url}".replace(":", "%3A").replace("/", "%2F") in outputs["readUrl"]
    assert {masked[name] for name in ("manifest", "readUrl", "pushUrls", "nixConf")} == {MASK}
    kept = {**files_below(unmade.folder / "state"), "printed": printed.encode()}
    assert leaks(kept, {"endpoint": url}) == {}
    assert unmade.planned() == {}


def test_a_name_that_is_taken_is_refused_in_the_preview(
    unmade: PluginProject, connection: Connection
) -> None:
    """By what asks the server, which in other languages the plugin itself serves."""
    root = s3_client(connection.url, connection.user, connection.password)
    root.create_bucket(Bucket="nix-cache")

    result = unmade.run("preview", "--stack", STACK)

    root.delete_bucket(Bucket="nix-cache")
    assert result.exit_code != 0
    assert "the bucket 'nix-cache' exists already on the MinIO server" in result.output


def test_two_caches_of_one_program_that_want_one_user_are_refused(
    unmade: PluginProject, admin: MinioServer
) -> None:
    """The second would replace the first one's secret, and the plugin makes each by itself."""
    program = yaml.safe_load((unmade.folder / "Pulumi.yaml").read_text())
    another = copy.deepcopy(program["resources"]["cache"])
    another["properties"] |= {"bucket": "another"}
    another["properties"]["minio"] |= {"userPrefix": ""}
    program["resources"]["another"] = another
    (unmade.folder / "Pulumi.yaml").write_text(yaml.safe_dump(program))

    result = unmade.run("up", "--yes", "--stack", STACK)

    assert result.exit_code != 0
    for user in ("ci-runner", "laptop"):
        assert f"the user '{user}' is claimed by two caches, 'another' and 'cache'" in result.output
        assert not admin.has(NameKind.USER, user)


def test_a_stack_with_a_provider_of_its_own_comes_and_goes(
    unmade: PluginProject, admin: MinioServer
) -> None:
    """Its server is known from that provider alone."""
    server = unmade.config.pop("minio:minioServer")
    user = unmade.config.pop("minio:minioUser")
    unmade.config[f"{unmade.name}:rootPassword"] = unmade.config.pop("minio:minioPassword")
    unmade.rewrite(
        ("config:\n", "config:\n  rootPassword:\n    type: string\n    secret: true\n"),
        (
            "resources:\n",
            "resources:\n  server:\n    type: pulumi:providers:minio\n    properties:\n"
            f"      minioServer: {server}\n      minioUser: {user}\n"
            "      minioPassword: ${rootPassword}\n",
        ),
        ("outputs:\n", "    options:\n      providers:\n        - ${server}\noutputs:\n"),
    )
    unmade.up()
    assert admin.has(NameKind.USER, "ci-runner")
    assert unmade.planned() == {}

    unmade.destroy()

    assert unmade.state.resources() == []
    assert not admin.has(NameKind.USER, "ci-runner")
    assert not admin.has(NameKind.BUCKET, "nix-cache")


def test_the_example_is_brought_up_by_what_its_readme_says(
    tmp_path: Path, plugin: Path, engine: Engine, server: LocalServer
) -> None:
    """`pulumi install` links the plugin to the project; the rest names the server."""
    example(tmp_path, plugin, engine, server).type_readme(server.connection())

    assert MinioServer(server.connection()).has(NameKind.USER, "laptop")
