"""The policy rules without a clone: a folder with two files, and the extra `policy`."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto.analyzer_pb2_grpc import AnalyzerStub

from nix_cache.policy.rules import all_rules
from tests.package.packages import Packages
from tests.package.running import own_environment
from tests.pages import blocks
from tools.release import installed


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Provide the pack's folder as the documentation has it."""
    made = tmp_path_factory.mktemp("program") / "policies"
    made.mkdir()
    [project] = blocks("docs/policies.md", language="yaml")
    [launcher] = blocks("docs/policies.md", language="python")
    (made / "PulumiPolicy.yaml").write_text(project.content)
    (made / "__main__.py").write_text(launcher.content)
    return made


@pytest.fixture(scope="module")
def pack(package: Packages, folder: Path) -> Iterator[AnalyzerStub]:
    """Provide a running pack, started as Pulumi's language host starts it."""
    python = installed.install(
        folder.parent / ".venv", installed.requirement(package.wheel, ["policy"])
    )
    process = subprocess.Popen(
        [python, "-u", "-m", "pulumi.policy", "127.0.0.1:1", folder],
        cwd=folder,
        env=own_environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield AnalyzerStub(channel)
    finally:
        process.kill()
        process.wait()


def test_a_folder_with_two_files_serves_every_rule(pack: AnalyzerStub) -> None:
    """From the installed package alone, with its extra `policy` and no provider."""
    info = pack.GetAnalyzerInfo(Empty(), timeout=60)

    assert info.name == "nix-cache"
    assert {rule.id for rule in all_rules()} < {policy.name for policy in info.policies}


def test_the_folder_names_the_environment_that_has_the_package(folder: Path) -> None:
    """Pulumi looks for it from the pack's folder."""
    assert "virtualenv: ../.venv" in (folder / "PulumiPolicy.yaml").read_text()
