"""What `nix-cache stack verify BACKEND` expects of each service."""

import pytest

from nix_cache.cli.stack.verify.backend import Action, Role, backend, verified

NEEDED = {Action.READ, Action.PUT, Action.UPLOAD}


@pytest.mark.parametrize("name", verified())
def test_a_row_states_what_its_service_lets_through(name: str) -> None:
    """A private cache is read by writers and readers alone, and all of them can do their work."""
    row = backend(name)

    assert row.name == name
    assert row.allowed(Role.ANONYMOUS, public=False) == set()
    assert row.allowed(Role.WRITER, public=False) >= NEEDED
    assert row.allowed(Role.READER, public=False) - {Action.LIST} == {Action.READ}
