"""Properties as they travel between the engine and a plugin, and as plain Python values."""

from collections.abc import Mapping
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime import rpc

Properties = dict[str, Any]

_OF_THE_BRIDGE = ("__defaults", "__meta")
"""What the official plugin notes for itself, in states that it has written."""


class _Unknown:
    """A value that is not known before something else was made."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = _Unknown()


def received(struct: Struct) -> Properties:
    """Return what the engine sent: secrets in clear, integers as such, unknown values marked."""
    found: Properties = _received(MessageToDict(struct))
    return found


def sent(properties: Mapping[str, Any], secret: frozenset[str] = frozenset()) -> Struct:
    """Return what is sent to the engine.

    Args:
        properties: plain values, and ``UNKNOWN``. Those that are None are left out.
        secret: the names of the properties to mark as secrets.
    """
    struct = Struct()
    for name, value in properties.items():
        if value is not None:
            plain = _sendable(value)
            struct[name] = _marked(plain) if name in secret and value is not UNKNOWN else plain
    return struct


def has_unknown(value: object) -> bool:
    """Return whether something in a value is not known yet."""
    if isinstance(value, dict):
        return any(map(has_unknown, value.values()))
    if isinstance(value, list):
        return any(map(has_unknown, value))
    return value is UNKNOWN


def _received(value: Any) -> Any:
    if isinstance(value, dict):
        if value.get(rpc._special_sig_key) == rpc._special_secret_sig:
            return _received(value.get("value"))
        return {key: _received(v) for key, v in value.items() if key not in _OF_THE_BRIDGE}
    if isinstance(value, list):
        return [_received(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return UNKNOWN if value == rpc.UNKNOWN else value


def _sendable(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sendable(v) for key, v in value.items() if v is not None}
    if isinstance(value, list):
        return [_sendable(item) for item in value]
    return rpc.UNKNOWN if value is UNKNOWN else value


def _marked(value: Any) -> dict[str, Any]:
    return {rpc._special_sig_key: rpc._special_secret_sig, "value": value}
