"""A backend that only a test registers is a backend everywhere, without a line elsewhere."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, cast

import pulumi
import pytest
from pulumi.runtime.mocks import MockResourceArgs

from nix_cache.backends.comparison import comparison
from nix_cache.backends.drift import Deployed, Finding, Service, ServiceDrift
from nix_cache.backends.registry import BACKENDS
from nix_cache.binary_cache import BinaryCache
from nix_cache.cli.doctor import rights
from nix_cache.cli.doctor.subject import Subject
from nix_cache.cli.errors import ClientError
from nix_cache.cli.s3.credentials import Credential
from nix_cache.cli.stack.check import check as check_drift
from nix_cache.cli.stack.engine import PulumiStack
from nix_cache.cli.stack.verify import backend as verification
from nix_cache.config.check import check
from nix_cache.config.problems import SettingsError
from nix_cache.config.stack import checked_settings
from nix_cache.dynamic.name_reservation import NameReservationProvider
from nix_cache.plugin import CacheProvider
from nix_cache.policy.model import Resource
from nix_cache.policy.rules import all_rules
from nix_cache.policy.rules.access import ANONYMOUS_ACCESS
from nix_cache.policy.rules.cache_info import VALID_CACHE_INFO
from nix_cache.policy.rules.production import DELETION_PROTECTION
from nix_cache.policy.rules.secrets import PROVIDER_CREDENTIALS
from tests.fakes import shelf
from tests.policies.stacks import found
from tests.unit.cli.test_doctor import described
from tests.unit.mocks import Recorder, run
from tools.argument_types import argument_types
from tools.project_config import PROJECT, project_file
from tools.reference import reference

ARGUMENTS: dict[str, Any] = {
    "domain": "cache.example.org",
    "backend": "shelf",
    "shelf": {"aisle": "B"},
}


@pytest.fixture(autouse=True)
def registered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Provide the backend and its SDK, which are there during each test, and gone after it."""
    (tmp_path / "shelf_sdk.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    BACKENDS.register(shelf.SPEC)
    yield
    BACKENDS.unregister("shelf")


def mistakes(**changes: Any) -> list[tuple[str, str, str]]:
    """Return the mistakes in settings: where, what, and the fix."""
    with pytest.raises(SettingsError) as refusal:
        check({**ARGUMENTS, **changes})
    return [(p.key, p.mistake, p.fix) for p in refusal.value.problems]


def test_it_is_checked_like_any_other() -> None:
    """Its settings, its contradictions, and what it cannot do."""
    assert check(ARGUMENTS).own(shelf.ShelfSettings).aisle == "B"
    assert mistakes(shelf={"aisle": "b"}) == [
        ("shelf.aisle", "has an invalid format", "set it to one capital letter")
    ]
    assert mistakes(shelf={"aisle": "B", "rack": {}}) == [
        ("shelf.rack", "needs public", "set public: true, or remove it")
    ]
    assert mistakes(shelf=None) == [
        (
            "shelf",
            "is required for the backend shelf",
            "set it to an object with aisle or rack",
        )
    ]
    [(key, mistake, _)] = mistakes(expireAfterDays=30)
    assert key == "expireAfterDays"
    assert "Shelf has at most 0" in mistake
    with pytest.raises(SettingsError, match="set it to one of minio, aws, spaces, b2, s3, shelf"):
        check({**ARGUMENTS, "backend": "floppy"})


def test_a_stacks_configuration_completes_its_settings() -> None:
    """As its spec says."""
    configured = {"domain": "cache.example.org", "backend": "shelf", "shelf": "{}"}
    stack = {f"nix-cache:{key}": value for key, value in configured.items()}

    settings, provider = checked_settings({**stack, "shelf:aisle": "C"})

    assert settings.own(shelf.ShelfSettings).aisle == "C"
    assert provider is None


class Shelf(Recorder):
    """The mocks, with what the service draws."""

    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
        """Make a resource with a secret."""
        id_, state = super().new_resource(args)
        return id_, {**state, "secret": f"secret of {args.name}"}


def made(outputs: dict[str, Any], **changes: Any) -> Recorder:
    """Return a cache under mocks, and its outputs."""

    def program() -> pulumi.Output[Any]:
        cache = BinaryCache("c", {**ARGUMENTS, **changes})  # type: ignore[arg-type]
        return pulumi.Output.all(url=cache.read_url, manifest=cache.manifest).apply(outputs.update)

    return run(program, Shelf())


def test_a_cache_is_made_on_it() -> None:
    """With a bucket, keys, objects and all outputs."""
    outputs: dict[str, Any] = {}
    recorder = made(outputs, public=True)

    assert sorted(one.name for one in recorder.resources if one.type.startswith("shelf:")) == [
        "c-box",
        "c-index.html",
        "c-nix-cache-info",
        "c-nix-cache.json",
        "c-nixbuilder",
    ]
    assert outputs["url"] == "https://b.shelf.example/nix-cache"
    assert outputs["manifest"]["backend"] == "shelf"
    assert outputs["manifest"]["profiles"] == {"nixbuilder": "nix-cache-nixbuilder"}


def test_its_service_is_asked_before_a_name_is_used() -> None:
    """By the one type of reservations."""
    provider = NameReservationProvider()
    provider._config, provider._questions = {}, {}  # type: ignore[assignment]

    for box, problem in {"taken": "the box is taken", "free": ""}.items():
        wanted = {"backend": "shelf", "bucket": box, "adopt": False, "problem": None}
        assert provider.check({}, wanted).inputs["problem"] == problem


def test_other_languages_and_python_see_its_settings() -> None:
    """In the schema, the Python types and the reference."""
    schema = json.loads(CacheProvider().schema or "{}")
    [cache] = schema["resources"].values()

    assert cache["inputProperties"]["shelf"]["$ref"] == "#/types/nix-cache:index:Shelf"
    assert "``shelf``" in cache["inputProperties"]["backend"]["description"]
    rack = schema["types"]["nix-cache:index:ShelfRack"]["properties"]["heightMetres"]
    assert rack["type"] == "integer"
    assert rack["description"] == (
        "The height of the rack. Default: ``2``. Must be a whole number from 1 to 4."
    )
    assert "class ShelfRackArgs(TypedDict):" in argument_types()
    assert "    height_metres: NotRequired[int]" in argument_types()
    assert "| `heightMetres` | integer | The height of the rack." in reference(schema)


def test_the_projects_settings_and_the_comparison_have_it() -> None:
    """In `Pulumi.yaml` and the README's table."""
    assert "nix-cache:shelf:" in project_file(PROJECT.read_text())
    head, *rows = comparison()
    assert head[-1] == "Shelf"
    assert (
        "unfinished uploads are deleted after",
        "1 day",
        "7 days",
        "7 days",
        "7 days",
        "7 days",
        "3 days",
    ) in rows


def test_the_comparison_names_the_setting_that_rights_depend_on() -> None:
    """Of a service whose users can be made elsewhere."""
    head, *rows = comparison()
    answers = {row[0]: dict(zip(head[1:], row[1:], strict=True)) for row in rows}
    for asked in (
        "writers cannot delete objects or change `nix-cache-info`",
        "the janitor cannot upload store paths, nor change or delete `nix-cache-info`",
    ):
        assert answers[asked]["S3-compatible services"] == "with `iamEndpoint`"
        assert answers[asked]["MinIO"] == "yes"
        assert answers[asked]["Backblaze B2"] == "no"


def test_the_policies_know_its_resources_and_have_its_rules() -> None:
    """Buckets, objects, documents, secrets of its provider, and its own rule."""
    info = {"box": "b", "key": "nix-cache-info", "content": "Priority: high"}
    public = {"policy": {"Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:*"}}}
    provider = Resource("pulumi:providers:shelf", "p", "p", {"padlock": "geheim"})

    assert "is not protected" in found(DELETION_PROTECTION, Resource(shelf.BUCKET, "b", "b"))
    assert "no whole number" in found(VALID_CACHE_INFO, Resource(shelf.OBJECT, "i", "i", info))
    assert found(ANONYMOUS_ACCESS, Resource(shelf.POLICY, "l", "l", public))
    assert "padlock in plain text" in found(PROVIDER_CREDENTIALS, provider)
    assert shelf.SMALL_KEYS in all_rules()


def test_it_can_be_verified() -> None:
    """What its spec says is what is asked, and what its keys are known to reach is expected."""
    row = verification.backend("shelf")

    assert "shelf" in verification.verified()
    assert (row.service, row.package) == ("Shelf", "shelf_sdk")
    writer = row.allowed(verification.Role.WRITER, public=False)
    assert writer == set(verification.Action)


class Storage(BaseHTTPRequestHandler):
    """Accepts everything, and remembers it."""

    asked: list[tuple[str, str]]

    def do_GET(self) -> None:
        """Answer."""
        self.asked.append((self.command, self.path))
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_PUT = do_HEAD = do_POST = do_DELETE = do_GET  # noqa: N815 - the names of the library

    def log_message(self, *_args: Any) -> None:
        """Stay silent."""


def test_doctor_reports_what_its_keys_are_known_to_reach_and_does_not_try_it() -> None:
    """As its spec says that no key of a writer can be kept from it."""
    Storage.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Storage)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        subject = Subject(
            described(backend="shelf", endpoint=f"http://127.0.0.1:{server.server_port}"),
            credentials={"nixbuilder": Credential(access_key_id="id", secret_access_key="secret")},
            users=("nixbuilder",),
        )
        reported = [finding.what for finding in rights.users(subject)]
    finally:
        server.shutdown()
        server.server_close()

    for right in sorted(shelf.SPEC.writers_also):
        assert f"the writer nixbuilder can {right}: Shelf has no narrower key" in reported
    assert not [path for method, path in Storage.asked if "list-type" in path]
    assert ("GET", "/nix-cache/nix-cache-info") in Storage.asked


URN = "urn:pulumi:prod::shop::nix-cache:index:BinaryCache"
STATE = {
    "deployment": {
        "resources": [
            {"urn": f"{URN}::builds", "type": "nix-cache:index:BinaryCache"},
            {
                "urn": f"{URN}$nix-cache:index:NameReservation::builds-names",
                "type": "nix-cache:index:NameReservation",
                "custom": True,
                "parent": f"{URN}::builds",
                "inputs": {"backend": "shelf", "names": ["box/builds"]},
            },
        ]
    }
}


class Librarian:
    """A service that found something on each shelf."""

    def __init__(self, deployed: Deployed) -> None:
        self._cache = deployed.cache.name

    def findings(self) -> Sequence[Finding]:
        """Return what the librarian saw."""
        return [Finding(f"the box of {self._cache} is open", "closed", "open")]


def stack_with(folder: Path) -> PulumiStack:
    """Return a stack with a cache on the shelf. Its engine is a script that writes down its use."""
    (folder / "state").write_text(json.dumps(STATE))
    engine = folder / "pulumi"
    engine.write_text(
        '#!/bin/sh\necho "$*" >>uses\ncase "$1" in stack) cat state ;; config) echo {} ;; esac\n'
    )
    engine.chmod(0o755)
    return PulumiStack(folder, "prod", str(engine))


def reached(deployed: Deployed) -> Service:
    return cast("Service", Librarian(deployed))


def not_installed(_deployed: Deployed) -> Service:
    raise ModuleNotFoundError("no", name="shelf_sdk")


def test_its_service_is_asked_for_drift_where_its_spec_says_how(tmp_path: Path) -> None:
    """And only then the secrets of the stack are read."""
    stack = stack_with(tmp_path)

    refreshed = check_drift(stack)
    assert (refreshed.findings, refreshed.refreshed) == ([], {"builds": "Shelf"})
    assert "--show-secrets" not in (tmp_path / "uses").read_text()

    BACKENDS.unregister("shelf")
    drift = ServiceDrift(concerns=lambda resources: len(resources) == 1, reach=reached)
    BACKENDS.register(replace(shelf.SPEC, drift=lambda: drift))
    asked = check_drift(stack)
    assert [finding.what for finding in asked.findings] == ["the box of builds is open"]
    assert asked.refreshed == {}
    assert "--show-secrets" in (tmp_path / "uses").read_text()

    BACKENDS.unregister("shelf")
    BACKENDS.register(replace(shelf.SPEC, drift=lambda: replace(drift, reach=not_installed)))
    with pytest.raises(ClientError, match=r"pip install 'nix-cache\[shelf\]'"):
        check_drift(stack)
