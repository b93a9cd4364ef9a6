"""A backend that is not in the package: a service called Shelf, with its own resources.

It has what a new backend's folder has, in one file. A test registers it, and no other line of the
project names it.
"""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import pulumi
from pulumi.dynamic import Config, DiffResult

from nix_cache.arguments import CacheSettings
from nix_cache.backends.granted import granted
from nix_cache.backends.provisioning import (
    Credential,
    Provisioned,
    Request,
    TextObject,
    locate,
)
from nix_cache.backends.resource_types import Holder, ResourceTypes
from nix_cache.backends.spec import BackendSpec, Completion, Provider, Right, Verification
from nix_cache.config.problems import Problem
from nix_cache.config.setting import BackendCheck, BackendSettings, SettingsModel, setting
from nix_cache.dynamic.name_reservation import NameReservation
from nix_cache.policy.model import Context, Resource, Rule

BUCKET = "shelf:index/box:Box"
OBJECT = "shelf:index/thing:Thing"
KEY = "shelf:index/key:Key"
POLICY = "shelf:index/label:Label"


class ShelfRackSettings(SettingsModel):
    """A rack for the boxes."""

    height_metres: int = setting(
        "The height of the rack.", must_be="a whole number from 1 to 4", default=2, ge=1, le=4
    )


class ShelfSettings(BackendSettings):
    """A box on a shelf."""

    aisle: str = setting("The aisle of the box.", must_be="one capital letter", pattern=r"^[A-Z]$")
    rack: ShelfRackSettings | None = setting(
        "A rack for the box. Needs ``public``.", default=None, default_text="no rack"
    )

    def _check_rack(self, cache: CacheSettings) -> Iterator[Problem]:
        if self.rack is not None and not cache.public:
            yield Problem("shelf.rack", "", "needs public", "set public: true, or remove it")

    checks: ClassVar[tuple[BackendCheck, ...]] = ((("public",), _check_rack),)


class _Made(pulumi.CustomResource):
    """One resource of the service."""

    secret: pulumi.Output[str]


def _provision(request: Request) -> Provisioned:
    cache, own = request.cache, request.cache.own(ShelfSettings)
    reservation = NameReservation(
        f"{request.name}-names",
        cache,
        {"bucket": cache.bucket},
        opts=pulumi.ResourceOptions(parent=request.parent),
    )
    options = pulumi.ResourceOptions(
        parent=request.parent,
        protect=cache.protect or None,
        depends_on=granted(cache, [reservation], []),
    )
    box = _Made(BUCKET, f"{request.name}-box", {"name": cache.bucket, "secret": None}, options)
    location = locate(
        cache,
        endpoint=f"https://{own.aisle.lower()}.shelf.example",
        region=own.aisle,
        profile=lambda user: f"{cache.bucket}-{user}",
    )
    for thing in request.texts(location):
        _put(request, cache.bucket, thing, options)
    return Provisioned(
        bucket_name=box.id.apply(lambda _id: cache.bucket),
        location=location,
        credentials={user: _key(request, user, options) for user in cache.privileges},
    )


def _put(request: Request, bucket: str, thing: TextObject, options: pulumi.ResourceOptions) -> None:
    inputs = {"box": bucket, "key": thing.key, "content": thing.text, "secret": None}
    _Made(OBJECT, f"{request.name}-{thing.key}", inputs, options)


def _key(request: Request, user: str, options: pulumi.ResourceOptions) -> Credential:
    key = _Made(KEY, f"{request.name}-{user}", {"name": user, "secret": None}, options)
    return Credential(accessKeyId=key.id, secretAccessKey=pulumi.Output.secret(key.secret))


class _Question:
    kept = ("bucket",)

    def problem(self, _held: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
        return "the box is taken" if wanted["bucket"] == "taken" else ""

    def changes(self, kept: Mapping[str, Any], wanted: Mapping[str, Any]) -> DiffResult:
        return DiffResult(changes=kept["bucket"] != wanted["bucket"])

    def new_id(self, wanted: Mapping[str, Any]) -> str:
        return str(wanted["bucket"])


def _question(_config: Config) -> _Question:
    return _Question()


def _complete(settings: Mapping[str, Any], configured: Mapping[str, str]) -> Completion:
    aisle = configured.get("shelf:aisle")
    return Completion(settings={**({"aisle": aisle} if aisle else {}), **settings})


def _small_key(key: Resource, _context: Context) -> Iterator[str]:
    if key.type == KEY and key.read("name") == "giant":
        yield "is too large for the shelf"


SMALL_KEYS = Rule(
    id="shelf-small-keys",
    holds="On a shelf, keys are small.",
    why="a large one falls off",
    fix="choose another name",
    check=_small_key,
)

SPEC = BackendSpec(
    name="shelf",
    title="Shelf",
    settings=lambda: ShelfSettings,
    provision=_provision,
    question=_question,
    provider=Provider(package="shelf", sdk="", secret_settings=("padlock",)),
    package="shelf_sdk",
    resource_types=lambda: ResourceTypes(
        buckets={BUCKET: "name"},
        objects={OBJECT: ("box", "key")},
        documents={POLICY: {"policy": Holder.BUCKET}},
    ),
    policy_rules=lambda: (SMALL_KEYS,),
    verification=lambda: Verification(
        costs="Nothing.", variables={"SHELF_AISLE": "an aisle"}, config=lambda _: {}
    ),
    complete=_complete,
    writers_also=frozenset(Right),
    lifecycle_rules=0,
    unfinished_upload_days=3,
)
