"""Whether a reading Nix takes a path, and if not, why."""

from tests.e2e.nix import Nix

UNTRUSTED = "not signed by any of the keys in 'trusted-public-keys'"
"""What Nix says of a path without a signature that counts."""


def assert_refused(reader: Nix, path: str, reason: str) -> None:
    """Check that Nix refuses the path for this reason."""
    refused = reader.realise(path)
    assert refused.exit_code != 0, refused.output
    assert reason in refused.output
    assert not reader.has(path)


def assert_accepted(reader: Nix, path: str) -> None:
    """Check that Nix accepts the path."""
    accepted = reader.realise(path)
    assert accepted.exit_code == 0, accepted.output
    assert reader.has(path)
