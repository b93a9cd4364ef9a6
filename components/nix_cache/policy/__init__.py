"""Policy rules for stacks with a Nix binary cache. Pure, except ``pack``, which needs Pulumi."""
