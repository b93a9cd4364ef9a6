"""Rules that hold outside development: what lasts is protected, and everything goes over TLS."""

import contextlib
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

from nix_cache.backends.registry import BACKENDS
from nix_cache.iam.values import read, read_list
from nix_cache.policy.model import FOR_PRODUCTION, Context, Resource, Rule, RuleScope
from nix_cache.policy.storage_types import (
    CACHE,
    SIGNING_KEY,
    deletes_what_is_in_it,
    is_bucket,
)

_CLEAR = "http://"
_DISTRIBUTION = "aws:cloudfront/distribution:Distribution"

_URLS = ("read_url", "push_urls", "readUrl", "pushUrls")
"""The component's outputs with URLs: in a program in Python, and in one in any other language."""


def _protected(resource: Resource, context: Context) -> Iterator[str]:
    if context.is_development or not (is_bucket(resource) or resource.type == SIGNING_KEY):
        return
    if not resource.protect:
        yield "is not protected"
    if is_bucket(resource) and deletes_what_is_in_it(resource):
        yield "may be deleted with all that is in it (forceDestroy)"


def _tls_to_storage(resource: Resource, context: Context) -> Iterator[str]:
    if context.is_development or not resource.type.startswith("pulumi:providers:"):
        return
    package = resource.type.removeprefix("pulumi:providers:")
    for provider in (backend.provider for backend in BACKENDS.values()):
        if provider.package != package:
            continue
        yield from provider.without_tls(resource.read, context.environment)
        for setting in provider.endpoint_settings:
            if any(text.startswith(_CLEAR) for text in _texts(resource.read(setting))):
                yield f"reaches the storage without TLS ({setting})"


def _texts(value: Any) -> Iterator[str]:
    """Every text within a value. Providers get lists and objects as JSON."""
    if isinstance(value, str) and value.startswith(("[", "{")):
        with contextlib.suppress(ValueError, RecursionError):
            value = json.loads(value)
    if isinstance(value, dict):
        value = [*value.values()]
    if isinstance(value, list):
        for item in value:
            yield from _texts(read(item))
    elif isinstance(value, str):
        yield value


def _tls_for_clients(resource: Resource, context: Context) -> Iterator[str]:
    if context.is_development:
        return
    if resource.type == CACHE:
        for url in {url for place in _URLS for url in _texts(resource.read(place))}:
            endpoints = parse_qs(urlsplit(url).query).get("endpoint", [])
            if any(place.startswith(_CLEAR) for place in (url, *endpoints)):
                yield f"gives its clients a URL without TLS: {url.partition('&')[0]}"
    if resource.type == _DISTRIBUTION:
        behaviors = read_list(resource.properties, "defaultCacheBehavior")
        behaviors += read_list(resource.properties, "orderedCacheBehaviors")
        if any(read(each, "viewerProtocolPolicy") == "allow-all" for each in behaviors):
            yield "also answers without TLS (viewerProtocolPolicy is allow-all)"


DELETION_PROTECTION = Rule(
    id="deletion-protection",
    holds="Outside development, buckets and signing keys are protected from deletion.",
    why="a deleted bucket takes its objects along; clients refuse what a lost key signed",
    fix="leave nix-cache:protect true; on your own resources set protect, not forceDestroy",
    check=_protected,
    settings=FOR_PRODUCTION,
)

TLS_TO_STORAGE = Rule(
    id="tls-to-storage",
    holds="Outside development, providers reach the storage over TLS.",
    why="the administrator's credential and every user's secret go over that connection",
    fix="set minio:minioSsl to true, or an endpoint that begins with https://",
    check=_tls_to_storage,
    settings=FOR_PRODUCTION,
)

TLS_FOR_CLIENTS = Rule(
    id="tls-for-clients",
    holds="Outside development, clients are sent to URLs with TLS.",
    why="others on the network can see and withhold downloads, although signatures protect them",
    fix="set nix-cache:minio.endpoint, or the backend's endpoint, to a URL with https://",
    check=_tls_for_clients,
    scope=RuleScope.STACK,
    settings=FOR_PRODUCTION,
)
