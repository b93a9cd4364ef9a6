"""A team's two caches on one server: one with anonymous reads, and one for its own machines."""

import pulumi

from nix_cache import BinaryCache, BinaryCacheArgs

config = pulumi.Config()
domain = config.require("domain")
on_the_server: BinaryCacheArgs = {
    "domain": domain,
    "writers": [{"name": "ci-runner"}],
    "protect": config.require_bool("protect"),
    "minio": {"endpoint": config.require("endpoint")},
}

caches = {
    "public": BinaryCache(
        "public",
        {**on_the_server, "domain": f"public.{domain}", "bucket": "public-cache", "public": True},
    ),
    "team": BinaryCache(
        "team",
        {
            **on_the_server,
            "domain": f"team.{domain}",
            "bucket": "team-cache",
            "readers": ["machines"],
            "priority": 30,  # asked before the public one
        },
    ),
}

pulumi.export("caches", {name: cache.manifest for name, cache in caches.items()})
pulumi.export("credentials", {name: cache.credentials for name, cache in caches.items()})
pulumi.export("signingKeys", {name: cache.signing_keys for name, cache in caches.items()})
