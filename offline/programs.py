"""The programs of `modules/`: what each is built from, and where its build is kept."""

import hashlib
import json
import platform
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from offline import minio_source, pulumi_source, trimming
from offline.module_copies import ModuleCopy
from tools.errors import BuildError

MODULES = Path(__file__).parent / "modules"

# What a build is made from. Notes and tests in a module folder change nothing in the result.
SOURCES = ("go.mod", "go.sum", "*.go", "*.json")


@dataclass(frozen=True)
class Tool:
    """One program that a Go module of `modules/` builds.

    `package` is what is built and `pinned` the module whose version in go.mod is the tool's;
    where it is None, the version is that of the folder's schema.json. `ldflags` are the
    linker's, with `{version}` filled in. `seconds` is about how long the build takes on two
    cores after those before it, and `disk_bytes` what it needs meanwhile. A tool with a `copy` is
    built with a changed copy of that module. A tool with `cgo` needs a C compiler.
    """

    name: str
    package: str
    pinned: str | None
    ldflags: str
    seconds: int
    disk_bytes: int
    copy: ModuleCopy | None = None
    cgo: bool = False

    @property
    def folder(self) -> Path:
        """The folder of the Go module."""
        return MODULES / self.name

    @property
    def version(self) -> str:
        """The version of the tool, without a leading v."""
        if self.pinned is None:
            return str(json.loads((self.folder / "schema.json").read_text())["version"])
        return self.required(self.pinned)

    def required(self, module: str) -> str:
        """Return the version, without a leading v, that go.mod requires of a module."""
        pattern = rf"^(?:require )?\s*{re.escape(module)} v(\S+)"
        match = re.search(pattern, (self.folder / "go.mod").read_text(), re.MULTILINE)
        if match is None:
            raise BuildError(
                f"{self.folder / 'go.mod'} does not require {module}",
                "restore it from version control",
            )
        return match[1]

    def arguments(self) -> list[str]:
        """Return what `go build` is given, but for the place of the result."""
        return ["-ldflags", self.ldflags.format(version=self.version), self.package]


TOOLS = {
    tool.name: tool
    for tool in (
        Tool(
            "pulumi",
            "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
            "github.com/pulumi/pulumi/pkg/v3",
            "-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version={version}",
            seconds=100,
            disk_bytes=3 * 10**9,
            copy=pulumi_source.COPY,
        ),
        Tool(
            "pulumi-resource-minio",
            ".",
            None,
            "-s -w",
            seconds=25,
            disk_bytes=10**9,
        ),
        Tool(
            "pulumi-resource-aws",
            ".",
            None,
            "-s -w",
            seconds=400,
            disk_bytes=5 * 10**9,
            copy=trimming.COPY,
        ),
        Tool(
            "minio",
            "github.com/minio/minio",
            "github.com/minio/minio",
            "-s -w -X github.com/minio/minio/cmd.ReleaseTag={version}",
            seconds=55,
            disk_bytes=2 * 10**9,
            copy=minio_source.COPY,
        ),
        Tool(
            "pulumi-language-yaml",
            "github.com/pulumi/pulumi-yaml/cmd/pulumi-language-yaml",
            "github.com/pulumi/pulumi-yaml",
            "-s -w -X github.com/pulumi/pulumi-yaml/pkg/version.Version=v{version}",
            seconds=190,
            disk_bytes=3 * 10**9,
        ),
        Tool(
            "pulumi-language-go",
            ".",
            "github.com/pulumi/pulumi/pkg/v3",
            "-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version={version}",
            seconds=190,
            disk_bytes=3 * 10**9,
        ),
        Tool(
            "actionlint",
            "github.com/rhysd/actionlint/cmd/actionlint",
            "github.com/rhysd/actionlint",
            "-s -w",
            seconds=20,
            disk_bytes=3 * 10**8,
        ),
        Tool(
            "vale",
            "github.com/vale-cli/vale/v3/cmd/vale",
            "github.com/vale-cli/vale/v3",
            "-s -w -X main.version={version}",
            seconds=75,
            disk_bytes=10**9,
            cgo=True,
        ),
    )
}


def key(tool: Tool) -> str:
    """Twelve hex digits that stand for all that a tool is made from.

    Go's own version is not part of it: go.mod says which is enough, and a Go that an update of
    the system replaces must not cost six minutes, nor one that is gone a working tool. Nor are the
    flags that only make the compiler faster.
    """
    digest = hashlib.sha256()
    parts = [sys.platform, platform.machine(), tool.name, *tool.arguments()]
    files = {path for pattern in SOURCES for path in tool.folder.glob(pattern)}
    for path in sorted(path for path in files if not path.name.endswith("_test.go")):
        parts += [path.name, hashlib.sha256(path.read_bytes()).hexdigest()]
    if tool.copy is not None:
        parts += [hashlib.sha256(file.read_bytes()).hexdigest() for file in tool.copy.code]
    digest.update(json.dumps(parts).encode())
    return digest.hexdigest()[:12]


def built_path(tool: Tool, cache: Path) -> Path:
    """Where the build of `tool` is kept in `cache`, whether it exists or not."""
    return cache / "tools" / f"{tool.name}-{key(tool)}" / tool.name
