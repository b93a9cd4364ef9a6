"""``Cdn``: the delivery network before a bucket."""

from typing import Any
from urllib.parse import quote

from pulumi_digitalocean import CdnArgs

from tests.fakes.spaces_plugin.account import Account, NotThereError, RefusedError
from tests.fakes.spaces_plugin.inputs import Failure
from tests.fakes.spaces_plugin.kind import Kind
from tests.fakes.spaces_plugin.wire import Properties

_PATH = "/v2/cdn/endpoints"
_CERTIFICATES = "/v2/certificates"
_CLOUDFLARE = "needs-cloudflare-cert"


class Cdn(Kind):
    """An endpoint of the network."""

    token = "digitalocean:index/cdn:Cdn"
    args = CdnArgs
    replaced_by = frozenset({"origin"})
    computed = frozenset({"certificateId", "certificateName", "ttl"})
    unsupported = frozenset({"certificateId"})
    outputs = frozenset({"certificateId", "certificateName", "createdAt", "endpoint", "ttl"})

    def mistakes(self, inputs: Properties) -> list[Failure]:
        """No origin, or a negative time."""
        found = [("origin", "is empty")] if inputs["origin"] == "" else []
        if isinstance(inputs.get("ttl"), int) and inputs["ttl"] < 0:
            found.append(("ttl", "is below 0"))
        return found

    def create(self, account: Account, inputs: Properties) -> tuple[str, Properties]:
        """Have an endpoint made."""
        request = {"origin": inputs["origin"], "ttl": inputs.get("ttl") or 0}
        if inputs.get("customDomain"):
            request["custom_domain"] = inputs["customDomain"]
        if inputs.get("certificateName"):
            request["certificate_id"] = _certificate_id(account, inputs["certificateName"])
        try:
            made = account.api("POST", _PATH, request)["endpoint"]
        except RefusedError as error:
            raise RefusedError(f"Error creating CDN: {error}") from None
        return made["id"], _state(account, made)

    def read(self, account: Account, id_: str, state: Properties) -> Properties | None:
        """Return the endpoint. As officially, one that is gone is an error."""
        try:
            found = account.api("GET", f"{_PATH}/{id_}")["endpoint"]
        except RefusedError as error:
            raise RefusedError(f"Error reading CDN: {error}") from None
        return _state(account, found)

    def update(
        self, account: Account, id_: str, state: Properties, inputs: Properties
    ) -> Properties:
        """Change the time and the host name, each by its own request."""
        try:
            if inputs.get("ttl") not in (None, state.get("ttl")):
                account.api("PUT", f"{_PATH}/{id_}", {"ttl": inputs["ttl"]})
            domain = inputs.get("customDomain") or ""
            # As officially, a certificate that is no longer asked for is kept.
            name = inputs.get("certificateName") or state.get("certificateName") or ""
            if (domain, name) != (state.get("customDomain"), state.get("certificateName")):
                certificate = _certificate_id(account, name) if name else ""
                request = {"custom_domain": domain, "certificate_id": certificate}
                account.api("PUT", f"{_PATH}/{id_}", request)
            found = account.api("GET", f"{_PATH}/{id_}")["endpoint"]
        except RefusedError as error:
            raise RefusedError(f"Error updating CDN: {error}") from None
        return _state(account, found)

    def delete(self, account: Account, id_: str, state: Properties) -> None:
        """Remove the endpoint."""
        try:
            account.api("DELETE", f"{_PATH}/{id_}")
        except RefusedError as error:
            raise RefusedError(f"Error deleting CDN: {error}") from None

    def imported(self, given: str) -> tuple[str, Properties]:
        """Return an endpoint by its id."""
        return given, {}


def _certificate_id(account: Account, name: str) -> str:
    if name == _CLOUDFLARE:
        return name
    found = account.api("GET", f"{_CERTIFICATES}?name={quote(name)}")["certificates"]
    if not found:
        raise RefusedError("certificate not found")
    return str(found[0]["id"])


def _state(account: Account, endpoint: dict[str, Any]) -> Properties:
    certificate = endpoint.get("certificate_id") or ""
    if certificate not in ("", _CLOUDFLARE):
        try:
            certificate = account.api("GET", f"{_CERTIFICATES}/{certificate}")["certificate"][
                "name"
            ]
        except NotThereError as error:
            raise RefusedError(str(error)) from None
    return {
        "origin": endpoint["origin"],
        "ttl": endpoint["ttl"],
        "endpoint": endpoint["endpoint"],
        "createdAt": endpoint["created_at"],
        "customDomain": endpoint.get("custom_domain") or "",
        "certificateId": certificate,
        "certificateName": certificate,
    }
