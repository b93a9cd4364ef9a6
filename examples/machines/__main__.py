"""Machines that use the caches of another stack: their cloud-init, which has a credential in it."""

import json
from typing import Any

import pulumi

config = pulumi.Config()
reader = config.require("reader")
made = pulumi.StackReference(config.require("caches"))


def cloud_init(caches: dict[str, Any], credentials: dict[str, Any]) -> str:
    """Files for nix-daemon, which fetches with root's credentials. JSON is YAML as well."""
    urls = " ".join(cache["readUrl"] for cache in caches.values())
    keys = " ".join(key for cache in caches.values() for key in cache["publicKeys"])
    profiles = [
        f"[{cache['profiles'][reader]}]\n"
        f"aws_access_key_id = {credentials[name][reader]['accessKeyId']}\n"
        f"aws_secret_access_key = {credentials[name][reader]['secretAccessKey']}\n"
        for name, cache in caches.items()
        if reader in cache["readers"]
    ]
    files = [
        {
            "path": "/etc/nix/nix.conf",
            "append": True,
            "content": f"extra-substituters = {urls}\nextra-trusted-public-keys = {keys}\n",
        },
        {
            "path": "/root/.aws/credentials",
            "append": True,
            "permissions": "0600",
            "content": "\n".join(profiles),
        },
    ]
    return "#cloud-config\n" + json.dumps({"write_files": files}, indent=2) + "\n"


caches = made.require_output("caches")
user_data = pulumi.Output.all(caches, made.require_output("credentials")).apply(
    lambda known: cloud_init(*known)
)

pulumi.export(
    "substituters", caches.apply(lambda known: [one["readUrl"] for one in known.values()])
)
pulumi.export("userData", user_data)  # a secret, as a part of it is
