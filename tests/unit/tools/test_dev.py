"""The local environment's parts that need neither engine nor server."""

import json
import os
import socket
from pathlib import Path

import pytest

from nix_cache.backends.minio.connection import connection_from
from nix_cache.cli.errors import ClientError
from tools import report
from tools.engine import Engine
from tools.errors import ToolError
from tools.local_process import LocalProcess
from tools.place import ClonePlace, write_private
from tools.seaweedfs import SeaweedServer
from tools.server import LocalServer
from tools.stack import LocalStack, configured, variables


def test_a_private_file_is_whole_and_for_its_owner_alone(tmp_path: Path) -> None:
    """Also where one that others could read was there before."""
    path = tmp_path / "folder" / "secret"
    write_private(path, "first")
    path.chmod(0o644)
    write_private(path, "second")

    assert path.read_text() == "second"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert list(path.parent.iterdir()) == [path]


def test_the_environment_names_files_and_no_secret(tmp_path: Path) -> None:
    """The passphrase is in a file, and only its path is reported."""
    place = ClonePlace(tmp_path)
    write_private(place.passphrase_file, "a-passphrase")

    reported = variables(place)
    assert reported["PULUMI_CONFIG_PASSPHRASE_FILE"] == str(place.passphrase_file)
    assert "a-passphrase" not in json.dumps(reported)


def test_the_state_of_another_stack_is_not_removed(tmp_path: Path) -> None:
    """It can be there: `make env` points the engine at this state."""
    place = ClonePlace(tmp_path)
    stacks = place.state / ".pulumi" / "stacks" / "nix-cache"
    stacks.mkdir(parents=True)
    (stacks / "dev.json").touch()
    place.check_removable()

    (stacks / "prod.json").touch()
    with pytest.raises(ToolError) as refused:
        place.check_removable()

    assert "has the state of the stack prod" in refused.value.problem
    assert "pulumi stack rm --preserve-config prod" in refused.value.fix


@pytest.fixture(params=[LocalServer, SeaweedServer])
def server_type(request: pytest.FixtureRequest) -> type[LocalProcess]:
    """Provide each kind of local server."""
    kind: type[LocalProcess] = request.param
    return kind


def test_a_servers_credentials_are_drawn_again_for_every_clone(
    tmp_path: Path, server_type: type[LocalProcess]
) -> None:
    """And the secret is long, and never a default."""
    one, two = server_type(tmp_path / "one"), server_type(tmp_path / "two")
    one.prepare()
    two.prepare()

    assert one.key_pair[1] != two.key_pair[1]
    assert len(one.key_pair[1]) >= 32
    assert one.url.startswith("http://127.0.0.1:")
    files = [file for file in (tmp_path / "one").rglob("*") if file.is_file()]
    assert one.connection_file in files
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}


def test_a_server_keeps_its_port_unless_another_program_took_it(
    tmp_path: Path, server_type: type[LocalProcess]
) -> None:
    """Clients know the port; the credentials stay in any case."""
    local = server_type(tmp_path)
    local.prepare()
    url, key_pair = local.url, local.key_pair
    local.prepare()
    assert (local.url, local.key_pair) == (url, key_pair)

    with socket.socket() as other:
        other.bind(("127.0.0.1", int(url.rpartition(":")[2])))
        other.listen()
        local.prepare()

    assert local.url != url
    assert local.key_pair == key_pair


def test_a_process_with_the_same_number_is_not_the_server(
    tmp_path: Path, server_type: type[LocalProcess]
) -> None:
    """A stale pid file after a restart of the machine must not end a stranger."""
    local = server_type(tmp_path)
    local.prepare()
    write_private(tmp_path / "pid", "1")

    assert local.process() is None
    local.stop()
    assert not (tmp_path / "pid").exists()


def test_a_server_cannot_be_started_without_its_program(
    tmp_path: Path, server_type: type[LocalProcess]
) -> None:
    """The fix is named."""
    with pytest.raises(ToolError, match="make up"):
        server_type(tmp_path).start()


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Provide a project with two defaults."""
    (tmp_path / "Pulumi.yaml").write_text(
        "config:\n"
        "  nix-cache:priority: {type: integer, default: 40}\n"
        "  nix-cache:writers: {default: [nixbuilder]}\n"
        "  nix-cache:unset: {type: string}\n"
    )
    return tmp_path


def test_a_stacks_configuration_is_laid_over_the_projects_defaults(files: Path) -> None:
    """As the engine does it: text for scalars, JSON for the rest."""
    stack = files / "Pulumi.dev.yaml"
    stack.write_text("config:\n  nix-cache:priority: 30\n  minio:minioUser: root\n")

    assert configured(files, stack) == {
        "nix-cache:priority": "30",
        "nix-cache:writers": '["nixbuilder"]',
        "minio:minioUser": "root",
    }


def test_encrypted_values_are_left_out_or_opaque(files: Path) -> None:
    """They cannot be checked without the passphrase, and the program checks them anyway."""
    stack = files / "Pulumi.dev.yaml"
    stack.write_text(
        "config:\n"
        "  minio:minioPassword: {secure: v1:abc}\n"
        "  nix-cache:writers: [{name: ci, signingKey: {secure: v1:def}}]\n"
    )

    found = configured(files, stack)
    assert "minio:minioPassword" not in found
    assert json.loads(found["nix-cache:writers"])[0]["signingKey"] == {"secure": "v1:def"}


def test_only_what_is_not_encrypted_is_checked(files: Path) -> None:
    """The program decrypts the rest, and checks it then."""
    stack = LocalStack(ClonePlace(files), Engine((files,), files, files / "minio", ()))
    writer = "{name: runner, signing_key: {secure: v1:def}}"
    (files / "Pulumi.dev.yaml").write_text(
        f"config:\n  nix-cache:domain: {{secure: v1:abc}}\n  nix-cache:writers: [{writer}]\n"
        "  nix-cache:minio: {endpoint: {secure: v1:ghi}}\n"
    )
    stack.check_config()

    with (files / "Pulumi.dev.yaml").open("a") as file:
        file.write("  nix-cache:bucket: UPPER\n")
    with pytest.raises(ToolError, match=r"^1 mistake .*\n  nix-cache:bucket = 'UPPER'"):
        stack.check_config()


def test_a_stack_file_without_any_configuration_has_the_defaults(files: Path) -> None:
    """An empty file is what `pulumi stack init` may leave."""
    stack = files / "Pulumi.dev.yaml"
    stack.write_text("")

    assert configured(files, stack)["nix-cache:priority"] == "40"


def test_the_summary_shows_keys_and_urls_whole(capsys: pytest.CaptureFixture[str]) -> None:
    """They are there to be copied, however narrow the terminal."""
    key = "cache.example.org-nixbuilder-1:" + "A" * 43 + "="
    url = "http://127.0.0.1:9000/" + "a-long-name-" * 8
    report.summary("dev", {"readUrl": url, "publicKeys": [key]}, {})
    printed = capsys.readouterr().out

    assert "No changes. The cache is up." in printed
    assert url in printed
    assert key in printed
    assert len(printed.splitlines()) <= 15


@pytest.mark.parametrize(
    ("changes", "summary"),
    [
        ({"create": 1}, "Created 1 resource. The cache is up."),
        ({"create": 12, "update": 1}, "Created 12 resources, updated 1. The cache is up."),
    ],
)
def test_the_summary_begins_with_what_was_changed(
    capsys: pytest.CaptureFixture[str], changes: dict[str, int], summary: str
) -> None:
    report.summary("dev", {"readUrl": "http://x", "publicKeys": []}, changes)

    assert capsys.readouterr().out.split("\n")[1] == summary


def test_a_connection_prefers_the_configuration_to_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As the provider does."""
    monkeypatch.setenv("MINIO_ENDPOINT", "from-the-environment:1")
    monkeypatch.setenv("MINIO_PASSWORD", "hidden-2")
    monkeypatch.setenv("MINIO_ENABLE_HTTPS", "true")
    settings = {"minioServer": "configured:1", "minioUser": "root-1"}

    found = connection_from(settings.get)
    assert (found.server, found.user, found.password) == ("configured:1", "root-1", "hidden-2")
    assert found.url == "https://configured:1"


@pytest.mark.parametrize("umask", [0, 0o022, 0o077])
def test_private_files_and_folders_do_not_depend_on_the_umask(tmp_path: Path, umask: int) -> None:
    """Nor on the modes that they have."""
    before = os.umask(umask)
    try:
        path = tmp_path / "minio" / "connection.json"
        write_private(path, "a-password")
        path.chmod(0o644)
        path.parent.chmod(0o777)
        write_private(path, "another-password")
    finally:
        os.umask(before)

    assert path.read_text() == "another-password"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert list(path.parent.iterdir()) == [path]


def test_a_command_of_the_engine_that_fails_is_one_error(tmp_path: Path) -> None:
    """Its output went to the user's terminal already."""
    (tmp_path / "pulumi").write_text("#!/bin/sh\necho 'the server is down' >&2\nexit 1\n")
    (tmp_path / "pulumi").chmod(0o700)
    engine = Engine((tmp_path,), tmp_path, tmp_path / "minio", ())

    with pytest.raises(ClientError, match=r"^`pulumi up --yes` failed, see above"):
        LocalStack(ClonePlace(tmp_path), engine).up(refresh=False)
