"""Answers of a storage that are not S3's become one error, whatever is wrong with them.

botocore raises the errors of its parsers as they come: of XML, of numbers, of dates, and a
TypeError over an error code that is a list.
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
    RecursionError,
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
        except _MALFORMED as failure:
            status = response["status_code"]
            if status < 300:
                raise MalformedAnswerError(reason=type(failure).__name__) from failure
            parsed = self._parser.parse({**response, "body": b""}, shape)
        error = parsed.get("Error") if isinstance(parsed, dict) else None
        if isinstance(error, dict) and not isinstance(error.get("Code", ""), str):
            parsed["Error"] = {"Code": str(response["status_code"]), "Message": ""}
        return parsed
