"""The program: the stack's configuration makes one cache, and what clients need is exported."""

import pulumi

from nix_cache import BinaryCache
from nix_cache.program import read_config

args, opts = read_config()
cache = BinaryCache("nix-cache", args, opts)

pulumi.export("bucketName", cache.bucket_name)
pulumi.export("readUrl", cache.read_url)
pulumi.export("pushUrls", cache.push_urls)
pulumi.export("publicKeys", cache.public_keys)
pulumi.export("signingKeys", cache.signing_keys)
pulumi.export("credentials", cache.credentials)
pulumi.export("nixConf", cache.nix_conf)
pulumi.export("nixosModule", cache.nixos_module)
pulumi.export("flakeConfig", cache.flake_config)
pulumi.export("githubActions", cache.github_actions)
pulumi.export("manifest", cache.manifest)
pulumi.export("cache", cache.manifest)  # the same, for programs that know it by its former name
