"""Rules for stacks with a Nix binary cache. Pure, but for ``pack``, which knows the engine."""
