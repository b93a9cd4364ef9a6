"""Trims the source of the upstream AWS provider to the services that are used.

All 260 services take 40 minutes to compile on two slow cores and give a program of 943 MB. What is
left out is whole services: those that stay keep every line, and only two generated lists, of the
services and of their API clients, get shorter.
"""

import json
import re
import shutil
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from offline.module_copies import ModuleCopy, rewrite
from tools.errors import BuildError

MODULE = "github.com/hashicorp/terraform-provider-aws"
"""The Go module that is trimmed."""

_SERVICES = Path("internal/service")
_REGISTRY = Path("internal/provider/sdkv2/service_packages_gen.go")
_CLIENTS = Path("internal/conns/awsclient_gen.go")

_ROOTS = ("internal", "names", "version")
_NOT_COMPILED = ("*_test.go", "testdata", "acctest", "generate")

_REGISTERED = re.compile(r"^\t\t(\w+)\.ServicePackage\(ctx\),$", re.MULTILINE)
_REGISTRY_IMPORT = re.compile(rf'^\t"{re.escape(MODULE)}/internal/service/(\w+)"$', re.MULTILINE)
_IMPORT_OF_SERVICE = re.compile(rf'"{re.escape(MODULE)}/internal/service/(\w+)')
_CLIENT = re.compile(
    r"^func \(c \*AWSClient\) (?P<name>\w+)\(ctx context\.Context\) \*(?P<package>\w+)\.Client "
    r"\{\n\t.*, names\.(?P<service>\w+), .*\n(?:\t.*\n)*\}\n\n?",
    re.MULTILINE,
)
_CLIENT_IMPORT = re.compile(
    r'^\t(?:(?P<alias>\w+) )?"github\.com/aws/aws-sdk-go-v2/service/(?P<path>[\w/]+)"\n',
    re.MULTILINE,
)
_CLIENT_CALL = re.compile(r"\.(\w+Client)\(ctx\b")
_SERVICE_NAME = re.compile(r"ServicePackageName\(\) string \{\s*return names\.(\w+)\s*\}")


def used_services(services_file: Path) -> list[str]:
    """The upstream services that a plugin's services.json names."""
    return sorted(json.loads(services_file.read_text(encoding="utf-8")))


def write(source: Path, folder: Path, target: Path) -> None:
    """Trim the provider for the plugin in `folder`, which has a services.json; as `trim` does."""
    trim(source, target, used_services(folder / "services.json"))


def trim(source: Path, target: Path, services: Iterable[str]) -> None:
    """Copy the provider's module, leaving out the services that nobody needs.

    Args:
        source: the module as the module proxy serves it.
        target: a folder that does not exist yet.
        services: names of folders in `internal/service`. Those that they import stay as well.

    Raises:
        BuildError: the source is not built as expected, so that nothing can be said of the result.
        OSError: the copy cannot be written.
    """
    kept = with_imported(source, services)
    target.mkdir(parents=True)
    shutil.copy2(source / "go.mod", target)
    services_there = {entry.name for entry in (source / _SERVICES).iterdir() if entry.is_dir()}
    unwanted = services_there - kept

    def left_out(folder: str, names: list[str]) -> set[str]:
        ignored = shutil.ignore_patterns(*_NOT_COMPILED)(folder, names)
        return ignored | unwanted if Path(folder) == source / _SERVICES else ignored

    for root in _ROOTS:
        shutil.copytree(source / root, target / root, ignore=left_out)
    rewrite(target / _REGISTRY, lambda text: trimmed_registry(text, kept), _unexpected)
    code = "".join(_code(target / "internal", but=target / _CLIENTS))
    rewrite(target / _CLIENTS, lambda text: trimmed_clients(text, code), _unexpected)


def with_imported(source: Path, services: Iterable[str]) -> set[str]:
    """The services, those whose code theirs imports, and so on; raises BuildError."""
    found: set[str] = set()
    waiting = list(services)
    while waiting:
        service = waiting.pop()
        if service in found:
            continue
        folder = source / _SERVICES / service
        if not folder.is_dir():
            raise _unexpected(f"has no service {service!r}", folder)
        found.add(service)
        for text in _code(folder):
            waiting += _IMPORT_OF_SERVICE.findall(text)
    return found


def trimmed_registry(text: str, kept: Collection[str]) -> str:
    """The list of services with the kept ones alone; raises BuildError."""
    for pattern in (_REGISTRY_IMPORT, _REGISTERED):
        missing = set(kept) - set(pattern.findall(text))
        if missing:
            raise _unexpected(f"does not register {', '.join(sorted(missing))}", _REGISTRY)
        text = _without_lines(text, pattern, lambda match: match[1] not in kept)
    return text


def trimmed_clients(text: str, code: str) -> str:
    """The accessors of API clients that the code uses, and their imports; raises BuildError.

    Args:
        text: the generated file.
        code: all other code that is compiled.
    """
    offered = {match["name"]: match["service"] for match in _CLIENT.finditer(text)}
    used = offered.keys() & set(_CLIENT_CALL.findall(code))
    if len(offered) != text.count("\nfunc (c *AWSClient) ") or not used:
        raise _unexpected("does not list clients as it used to", _CLIENTS)
    # A client of a service that is not there would end the plugin when it is asked for.
    astray = {offered[name] for name in used} - set(_SERVICE_NAME.findall(code))
    if astray:
        raise _unexpected(
            f"has clients in use of services that are left out: {', '.join(sorted(astray))}",
            _CLIENTS,
        )
    text = _CLIENT.sub(lambda match: match[0] if match["name"] in used else "", text)
    packages = {match["package"] for match in _CLIENT.finditer(text)}

    def imported(match: re.Match[str]) -> str:
        name = match["alias"] or match["path"].rpartition("/")[2]
        return match[0] if name in packages else ""

    return _CLIENT_IMPORT.sub(imported, text)


def _code(folder: Path, but: Path | None = None) -> Iterable[str]:
    for file in sorted(folder.rglob("*.go")):
        if not file.name.endswith("_test.go") and file != but:
            yield file.read_text(encoding="utf-8")


def _without_lines(
    text: str, pattern: re.Pattern[str], unwanted: Callable[[re.Match[str]], bool]
) -> str:
    lines = text.splitlines(keepends=True)
    return "".join(
        line for line in lines if not ((match := pattern.match(line)) and unwanted(match))
    )


def _unexpected(what: str, where: Path) -> BuildError:
    return BuildError(
        f"the AWS provider cannot be trimmed: {where} {what}",
        "its version in offline/modules/pulumi-resource-aws/go.mod and offline/trimming.py "
        "have to fit together, and services.json has to name services of that version",
    )


COPY = ModuleCopy(MODULE, write, (Path(__file__),))
"""The AWS provider as its plugin is built."""
