"""``SpacesKey``: a key pair, limited to certain buckets or to nothing."""

from pulumi_digitalocean import SpacesKeyArgs

from tests.fakes.spaces_plugin import FAKE
from tests.fakes.spaces_plugin.account import Account, NotThereError, RefusedError
from tests.fakes.spaces_plugin.inputs import Failure
from tests.fakes.spaces_plugin.kind import Kind
from tests.fakes.spaces_plugin.wire import Properties

_PATH = "/v2/spaces/keys"
_PERMISSIONS = ("read", "readwrite", "fullaccess")


class Key(Kind):
    """A key pair, whose secret half is reported once, when it is made."""

    token = "digitalocean:index/spacesKey:SpacesKey"
    args = SpacesKeyArgs
    outputs = frozenset({"accessKey", "createdAt", "secretKey"})
    secret = frozenset({"secretKey"})

    def mistakes(self, inputs: Properties) -> list[Failure]:
        """No name, or a grant of nothing."""
        found = []
        if "name" not in inputs:
            found.append(("name", f"is missing; {FAKE} makes up none"))
        grants = inputs.get("grants")
        for index, grant in enumerate(grants if isinstance(grants, list) else []):
            permission = grant["permission"]
            if isinstance(permission, str) and permission not in _PERMISSIONS:
                found.append(
                    (f"grants[{index}].permission", f"is none of {', '.join(_PERMISSIONS)}")
                )
        return found

    def create(self, account: Account, inputs: Properties) -> tuple[str, Properties]:
        """Have a pair drawn."""
        try:
            made = account.api("POST", _PATH, _request(inputs))["key"]
        except RefusedError as error:
            raise RefusedError(f"Error creating Spaces key: {error}") from None
        return made["access_key"], {**_state(made), "secretKey": made["secret_key"]}

    def read(self, account: Account, id_: str, state: Properties) -> Properties | None:
        """Return the key without its secret half, which is adopted."""
        try:
            found = account.api("GET", f"{_PATH}/{id_}")["key"]
        except NotThereError:
            return None
        except RefusedError as error:
            raise RefusedError(f"Error reading Spaces key: {error}") from None
        return {**_state(found), "secretKey": state.get("secretKey")}

    def update(
        self, account: Account, id_: str, state: Properties, inputs: Properties
    ) -> Properties:
        """Change its name and what it opens."""
        try:
            found = account.api("PUT", f"{_PATH}/{id_}", _request(inputs))["key"]
        except RefusedError as error:
            raise RefusedError(f"Error updating Spaces key: {error}") from None
        return {**_state(found), "secretKey": state.get("secretKey")}

    def imported(self, given: str) -> tuple[str, Properties]:
        """Return a key by its id. Its secret half is not available any more."""
        return given, {}

    def delete(self, account: Account, id_: str, state: Properties) -> None:
        """Void the pair. As officially, one that is gone is an error."""
        try:
            account.api("DELETE", f"{_PATH}/{id_}")
        except RefusedError as error:
            raise RefusedError(f"Error deleting Spaces key: {error}") from None


def _request(inputs: Properties) -> Properties:
    return {"name": inputs["name"], "grants": inputs.get("grants") or []}


def _state(key: Properties) -> Properties:
    return {
        "name": key["name"],
        "accessKey": key["access_key"],
        "createdAt": key["created_at"],
        "grants": [
            {"bucket": grant["bucket"], "permission": grant["permission"]}
            for grant in key["grants"] or []
        ],
    }
