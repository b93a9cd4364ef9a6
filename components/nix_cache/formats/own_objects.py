"""Names of our own objects in a bucket that modules without other imports need. Pure."""

ROOTS_PREFIX = "nix-cache-roots/"
"""Where root records are. No expiry rule matches it."""

PINS_PREFIX = "nix-cache-pins/"
"""Where pins are. No expiry rule matches it."""

COLLECTION_PREFIX = "nix-cache-gc"
"""With what the keys of a collection's own objects begin."""
