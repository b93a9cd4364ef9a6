"""What a cache publishes of itself, on every backend: what readers need, and no credential's name.

On MinIO an access key id is a writer's name, and some servers take writes from anyone who knows it.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nix_cache import BinaryCacheArgs
from nix_cache.cli.caches.source import Source, parse
from nix_cache.cli.doctor import contents
from nix_cache.cli.doctor.finding import Finding, Level
from nix_cache.cli.doctor.subject import Subject
from nix_cache.cli.machine.places import user_place
from nix_cache.cli.use import settings_plan
from nix_cache.formats.manifest import Manifest
from tests.unit import test_component
from tests.unit.backends import test_aws, test_b2_component, test_spaces
from tests.unit.cli import client_caches
from tests.unit.cli.served_cache import served_cache
from tests.unit.mocks import Recorder

pytestmark = pytest.mark.filterwarnings("ignore:digitalocean:DeprecationWarning")

PEOPLE: dict[str, Any] = {
    "writers": [{"name": "wanda", "generation": 2}, {"name": "walter"}],
    "readers": ["rita"],
}
BOTH: dict[str, Any] = {"landing_page": True, "manifest": True}
Made = Callable[[BinaryCacheArgs], Recorder]
BACKENDS: dict[str, tuple[Made, BinaryCacheArgs, BinaryCacheArgs]] = {
    "minio": (test_component.made, test_component.PUBLIC, test_component.PRIVATE),
    "aws": (test_aws.made, test_aws.PUBLIC, test_aws.PRIVATE),
    "spaces": (test_spaces.made, test_spaces.PUBLIC, test_spaces.PRIVATE),
    "b2": (test_component.made, test_b2_component.PUBLIC, test_b2_component.PRIVATE),
}
CASES = [
    pytest.param(backend, public, id=f"{backend}-{'public' if public else 'private'}")
    for backend in BACKENDS
    for public in (True, False)
]


def published(backend: str, public: bool) -> tuple[dict[str, str], dict[str, Any]]:
    """Return the text of every object in the bucket, by key, and the manifest among them."""
    made, for_all, for_some = BACKENDS[backend]
    args: Any = {**(for_all if public else for_some), **PEOPLE, **BOTH}
    if public and backend == "spaces":
        del args["readers"]  # not offered there
    texts = texts_of(made(args))
    return texts, json.loads(texts["nix-cache.json"])


def texts_of(recorder: Recorder) -> dict[str, str]:
    """Return the content of every object that a cache registers."""
    found: dict[str, str] = {}
    for one in recorder.resources:
        key = next((one.inputs[name] for name in ("objectName", "key") if name in one.inputs), "")
        text = next((one.inputs[name] for name in ("content", "text") if name in one.inputs), None)
        if text is not None:
            found[key] = text
    return found


@pytest.mark.parametrize(("backend", "public"), CASES)
def test_the_manifest_has_every_field_and_those_of_credentials_are_empty(
    backend: str, public: bool
) -> None:
    """Version 1 keeps its fields: a client of the release 0.1.0 requires each of them."""
    _, manifest = published(backend, public)

    assert manifest["version"] == 1
    assert manifest.keys() == {
        field.alias for field in Manifest.model_fields.values()
    }  # nothing is missing and nothing is new
    assert {name: manifest[name] for name in ("pushUrls", "profiles", "keyNames", "readers")} == {
        "pushUrls": {},
        "profiles": {},
        "keyNames": {},
        "readers": [],
    }
    assert len(manifest["publicKeys"]) == 3


@pytest.mark.parametrize(("backend", "public"), CASES)
def test_no_object_names_a_writer_outside_a_public_key(backend: str, public: bool) -> None:
    """A key's own name has to be published: Nix compares it with the signature."""
    texts, manifest = published(backend, public)

    assert texts.keys() >= {"nix-cache-info", "nix-cache.json", "index.html"}
    for key, text in texts.items():
        rest = text
        for public_key in manifest["publicKeys"]:
            name, _, material = public_key.partition(":")
            rest = rest.replace(public_key, "").replace(f"<b>{name}</b>:{material}", "")
        assert "wanda" not in rest, key
        assert "walter" not in rest, key
        if public:
            assert "rita" not in rest, key
            assert "s3://" not in rest, key


@pytest.mark.parametrize(("backend", "public"), CASES)
def test_a_private_cache_names_one_profile_that_its_read_url_needs(
    backend: str, public: bool
) -> None:
    """It is a reader's, and only readers can read where it is named."""
    _, manifest = published(backend, public)

    assert ("profile=" in manifest["readUrl"]) is not public


def test_the_output_keeps_what_writers_need() -> None:
    """Only what is published lacks it."""
    args: BinaryCacheArgs = {**test_component.PUBLIC, **PEOPLE}  # type: ignore[typeddict-item]
    cache = test_component.outputs_of(args)[0]["manifest"]

    assert cache["pushUrls"].keys() == {"wanda", "walter"}
    assert cache["profiles"].keys() == {"wanda", "walter", "rita"}
    assert cache["keyNames"].keys() == {"wanda", "walter"}
    assert cache["readers"] == ["rita"]


def test_a_manifest_without_the_fields_of_credentials_is_read_as_well() -> None:
    """A later version may leave them out."""
    cache = client_caches.outputs()["manifest"]
    for name in ("pushUrls", "profiles", "keyNames", "readers"):
        del cache[name]

    found = parse(json.dumps(cache), "test").manifest

    assert found == client_caches.manifest().for_readers()


def test_the_readers_part_of_the_readers_part_is_the_same() -> None:
    """So what came from a URL is compared like what came from a stack."""
    once = client_caches.manifest(public=False).for_readers()

    assert once.for_readers() == once
    assert once.fields_with_credentials == ()


class TestDoctor:
    """The object in the bucket, compared with the source."""

    def look(self, reported: dict[str, Any], known: Manifest) -> list[Finding]:
        """Serve a manifest, and return what doctor finds of it."""
        with served_cache() as served:
            served.describe(reported)
            here = known.model_copy(update={"read_url": served.url})
            served.describe({**reported, "readUrl": served.url})
            return list(contents.manifest(Subject(here)))

    def test_the_readers_part_is_as_it_should_be(self) -> None:
        """Whether the source is a stack with everything or the cache's own URL."""
        known = client_caches.manifest()
        reported = known.for_readers().model_dump(mode="json", by_alias=True)

        for source in (known, known.for_readers()):
            assert [finding.level for finding in self.look(reported, source)] == [Level.OK]

    def test_a_manifest_that_names_credentials_is_reported(self) -> None:
        """As the release 0.1.0 publishes it; the fields are named."""
        known = client_caches.manifest()

        found = self.look(client_caches.outputs()["manifest"], known)

        assert [finding.level for finding in found] == [Level.OK, Level.WARNING]
        assert "pushUrls, profiles, keyNames" in found[1].what
        assert "pulumi up" in found[1].fix

    @pytest.mark.parametrize("change", [{"publicKeys": ["evil-1:AAAA"]}, {"priority": 1}])
    def test_a_manifest_that_differs_is_reported(self, change: dict[str, Any]) -> None:
        """What readers rely on is still compared."""
        known = client_caches.manifest()
        reported = {**known.for_readers().model_dump(mode="json", by_alias=True), **change}

        [finding] = self.look(reported, known)

        assert finding.level in {Level.ERROR, Level.WARNING}
        assert "differs from the source in" in finding.what


def test_a_private_cache_is_used_from_its_published_manifest(tmp_path: Path) -> None:
    """Its read URL stays as it is: the profile in it is for this machine's owner to provide."""
    variables = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    known = client_caches.manifest(public=False).for_readers()
    wish = settings_plan.Wish(place=user_place(variables))

    found = settings_plan.plan_use(Source(known), wish)

    assert (found.read_url, found.record.reader) == (known.read_url, None)
    assert not [change.path for change in found.changes if change.path.name == "credentials"]
