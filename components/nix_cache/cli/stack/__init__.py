"""The commands ``nix-cache stack``: drift, repair, renew and verify, for any stack with a cache.

They run the program ``pulumi`` and read the stack's state, so they work for programs in every
language. Pulumi's Python packages are not needed.
"""
