"""Answers of a storage that are not S3's become one error, whatever is wrong with them.

botocore raises the errors of its parsers as they come: of XML, of numbers, of dates. It returns a
list for an element that is repeated where S3 has one, over which its own handlers then fail.
"""

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import BotoCoreError
from botocore.parsers import ResponseParser, ResponseParserError, ResponseParserFactory

_MALFORMED = (
    ResponseParserError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)


class MalformedAnswerError(BotoCoreError):
    """An answer with a status of success is not what S3 answers, such as a web page."""

    fmt = "the answer is not that of an S3 storage ({reason})"


class AnswerParserFactory(ResponseParserFactory):
    """Makes botocore's parsers, each of which raises ``MalformedAnswerError`` alone."""

    def create_parser(self, protocol_name: str) -> ResponseParser:
        """Return a parser of a protocol."""
        parser: ResponseParser = super().create_parser(protocol_name)
        return _Parser(parser)


class _Parser(ResponseParser):
    def __init__(self, parser: ResponseParser) -> None:
        super().__init__()
        self._parser = parser

    def parse(self, response: Mapping[str, Any], shape: Any) -> Any:
        try:
            parsed = self._parser.parse(response, shape)
            if response["status_code"] < 300:
                _require_form(parsed, shape)
        except _MALFORMED as failure:
            if response["status_code"] < 300:
                raise MalformedAnswerError(reason=type(failure).__name__) from failure
            parsed = self._parser.parse({**response, "body": b""}, shape)
        error = parsed.get("Error") if isinstance(parsed, dict) else None
        if isinstance(error, dict) and not isinstance(error.get("Code", ""), str):
            parsed["Error"] = {"Code": str(response["status_code"]), "Message": ""}
        return parsed


def _require_form(value: Any, shape: Any) -> None:
    """Refuse lists and objects where the service has none, and the other way round.

    Raises:
        ValueError: there is one.
    """
    if shape is None:
        return
    kind = shape.type_name
    if kind == "structure" and isinstance(value, dict):
        for name in value.keys() & shape.members.keys():
            if value[name] is not None:
                _require_form(value[name], shape.members[name])
    elif kind == "list" and isinstance(value, list):
        for item in value:
            _require_form(item, shape.member)
    elif kind in {"structure", "list"} or isinstance(value, list | dict) is not (kind == "map"):
        raise ValueError(f"{shape.name} is not a {kind}")
