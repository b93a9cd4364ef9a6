"""The AWS provider is trimmed to the services that are used, or refused if it looks different."""

import json
import shutil
from pathlib import Path

import pytest

from offline import trimming
from tests.unit.provider_source import MODULE, REGISTRY, write_provider
from tools.errors import BuildError

pytestmark = pytest.mark.offline


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Provide the provider."""
    return write_provider(tmp_path / "source")


def change(file: Path, before: str, after: str) -> None:
    """Replace something in a file that is read-only."""
    text = file.read_text()
    assert before in text
    file.chmod(0o644)
    file.write_text(text.replace(before, after))


def trimmed(source: Path, *services: str) -> Path:
    """Trim the source to some services."""
    target = source.parent / "trimmed"
    trimming.trim(source, target, services)
    return target


def test_the_services_named_and_those_they_import_stay(source: Path) -> None:
    """Whole, without tests; nothing else of the services, nor of prose."""
    target = trimmed(source, "s3")

    kept = {file.relative_to(target).as_posix() for file in target.rglob("*") if file.is_file()}
    assert kept == {
        "go.mod",
        "names/names.go",
        "version/VERSION",
        "internal/provider/sdkv2/service_packages_gen.go",
        "internal/conns/awsclient_gen.go",
        "internal/service/errors.hcl",
        "internal/service/s3/s3.go",
        "internal/service/s3control/s3control.go",
    }
    for file in ("internal/service/s3/s3.go", "names/names.go", "go.mod"):
        assert (target / file).read_text() == (source / file).read_text()


def test_only_the_kept_services_are_registered(source: Path) -> None:
    """The list loses the lines of the others, and nothing else."""
    target = trimmed(source, "s3")

    registry = (target / "internal/provider/sdkv2/service_packages_gen.go").read_text()
    left_out = [line for line in REGISTRY.splitlines() if "iam" in line or "xray" in line]
    assert len(left_out) == 4
    assert registry.splitlines() == [line for line in REGISTRY.splitlines() if line not in left_out]


def test_only_clients_in_use_are_offered(source: Path) -> None:
    """With their imports, also where one has another name; tests of upstream use none."""
    target = trimmed(source, "iam", "xray")

    clients = (target / "internal/conns/awsclient_gen.go").read_text()
    assert "IAMClient" in clients
    assert 'xrayapi "github.com' in clients
    assert "S3" not in clients
    assert "service/s3" not in clients


def test_a_service_that_upstream_lacks_is_named(source: Path) -> None:
    """As after a typing error in services.json, or when upstream renames one."""
    with pytest.raises(BuildError, match="has no service 'ecs'"):
        trimmed(source, "s3", "ecs")


def test_a_registry_that_is_written_differently_is_refused(source: Path) -> None:
    """A list that could not be shortened would compile everything, or nothing."""
    change(
        source / "internal/provider/sdkv2/service_packages_gen.go",
        "\t\ts3.ServicePackage(ctx),",
        "\t\tsdkv2.Register(s3.ServicePackage),",
    )
    with pytest.raises(BuildError, match="does not register s3"):
        trimmed(source, "s3")


def test_clients_that_are_written_differently_are_refused(source: Path) -> None:
    """Also when only some are."""
    change(
        source / "internal/conns/awsclient_gen.go",
        "return errs.Must(client[*iam.Client](ctx, c, names.IAM, make(map[string]any)))",
        "return c.iam",
    )
    with pytest.raises(BuildError, match="does not list clients as it used to"):
        trimmed(source, "s3")


def test_a_client_of_a_service_that_is_left_out_is_refused(source: Path) -> None:
    """The plugin would end when a resource asks for it."""
    change(source / "internal/service/iam/iam.go", "// c.IAM", "// c.XRayClient(ctx)\n// c.IAM")
    with pytest.raises(BuildError, match="services that are left out: XRay"):
        trimmed(source, "iam")


def test_a_registry_that_is_gone_is_refused(source: Path) -> None:
    """The error names the file."""
    shutil.rmtree(source / "internal/provider")
    with pytest.raises(BuildError, match=r"service_packages_gen\.go is not there"):
        trimmed(source, "s3")


def test_a_plugin_is_built_with_the_trimmed_copy(source: Path, tmp_path: Path) -> None:
    """Its go.mod and go.sum stay as they are; Go gets others, also at a path with a blank."""
    folder, work = tmp_path / "plugin", tmp_path / "a work folder"
    folder.mkdir()
    (folder / "go.mod").write_text("module plugin\n")
    (folder / "go.sum").write_text("sums\n")
    (folder / "services.json").write_text(json.dumps({"iam": {}}))

    work.mkdir()
    modfile = trimming.COPY.replace(source, folder, work)

    assert modfile.read_text() == (f'module plugin\n\nreplace {MODULE} => "{work / "copy"}"\n')
    assert modfile.with_suffix(".sum").read_text() == "sums\n"
    assert (folder / "go.mod").read_text() == "module plugin\n"
    assert (work / "copy/internal/service/iam/iam.go").exists()
    assert not (work / "copy/internal/service/s3").exists()
