"""NixOS configurations to try the module with, and the manifests of caches that they name."""

from typing import Any

import pytest

from nix_cache.formats.manifest import Manifest
from tests.e2e.nix import Nix
from tests.e2e.nixos.machine import NixOS

KEYS = [f"cache.example.org-{name}:{'A' * 43}=" for name in ("nixbuilder-1", "nixbuilder-2")]
READ_URL = "https://minio.example.org/nix-cache"
PRIVATE_URL = "s3://nix-cache?profile=nixreader&endpoint=https%3A%2F%2Fminio.example.org"

READS = "services.nix-cache.caches.team.manifest = ./nix-cache.json;"
READS_PRIVATELY = """
    services.nix-cache.caches.team.manifest = ./private.json;
    services.nix-cache.credentialsFile = "/run/secrets/credentials";
"""
WRITES = """{
    manifest = ./nix-cache.json;
    push = { enable = true; writer = "nixbuilder"; signingKeyFile = "/run/secrets/key"; };
}"""
PUSHES = f"""
    services.nix-cache.caches.team = {WRITES};
    services.nix-cache.credentialsFile = "/run/secrets/credentials";
"""


@pytest.fixture(scope="module")
def nixos(module_nix: Nix, store_dir: str) -> NixOS:
    """Provide a machine for configurations, with manifests of a public and a private cache."""
    machine = NixOS(module_nix)
    public = manifest(store_dir)
    machine.describe(public)
    machine.describe({**public, "public": False, "readUrl": PRIVATE_URL}, "private.json")
    published = Manifest.model_validate(public).for_readers()
    machine.describe(published.model_dump(mode="json", by_alias=True), "published.json")
    machine.describe({**public, "version": 2}, "newer.json")
    machine.describe({**public, "storeDir": "/gnu/store"}, "elsewhere.json")
    return machine


def manifest(store_dir: str) -> dict[str, Any]:
    """Return the output `manifest` of a stack."""
    found = Manifest(
        version=1,
        backend="minio",
        bucket="nix-cache",
        endpoint="https://minio.example.org",
        region="us-east-1",
        public=True,
        store_dir=store_dir,
        priority=40,
        want_mass_query=True,
        read_url=READ_URL,
        push_urls={"nixbuilder": "s3://nix-cache?profile=nixbuilder", "ci": "s3://nix-cache?"},
        profiles={"nixbuilder": "nixbuilder", "nixreader": "nixreader", "laptop": "our-laptop"},
        public_keys=tuple(KEYS),
        key_names={"nixbuilder": "cache.example.org-nixbuilder-2"},
        readers=("nixreader", "laptop"),
        expire_after_days=0,
        landing_page=True,
        is_published=True,
    )
    return found.model_dump(mode="json", by_alias=True)
