"""A company's cache on AWS: closed bucket, CloudFront before it, CI that pushes without a key."""

import pulumi

from nix_cache import BinaryCache

config = pulumi.Config()
cache = BinaryCache(
    "nix-cache",
    {
        "domain": config.require("domain"),
        "backend": "aws",
        "bucket": config.require("bucket"),
        "public": True,
        "writers": [
            {
                "name": "ci-main",
                "github_repository": config.require("repository"),
                "github_branch": "main",
            },
        ],
        "aws": {
            "region": config.require("region"),
            "account_id": config.require("accountId"),
            "cloudfront": {
                "domain_name": config.require("domain"),
                "hosted_zone_id": config.require("hostedZoneId"),
            },
            "signing_key_store": "secrets-manager",
            "nar_storage_class": "INTELLIGENT_TIERING",
            "monitoring": {
                "monthly_budget_usd": config.require_int("monthlyBudgetUsd"),
                "budget_emails": config.require_object("budgetEmails"),
            },
            "tags": {"service": "nix-cache", "stack": pulumi.get_stack()},
        },
    },
)

pulumi.export("readUrl", cache.read_url)
pulumi.export("nixConf", cache.nix_conf)
pulumi.export("githubActions", cache.github_actions)
pulumi.export("manifest", cache.manifest)
