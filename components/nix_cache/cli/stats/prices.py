"""What storage costs: the public list price of a service, or prices that the user has. Pure."""

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from nix_cache.backends.spec import ListPrice
from nix_cache.cli.errors import ClientError, UsageError

_FIX = (
    'give an object such as {"currency": "EUR", "perUnitMonth": 0.01, "unitBytes": 1000000000}; '
    "`nix-cache help statistics` lists its fields"
)


def _no_boolean(value: object) -> object:
    if isinstance(value, bool):
        raise PydanticCustomError("boolean", "Input should be a number, not true or false")
    return value


_NotBoolean = BeforeValidator(_no_boolean)
"""Pydantic takes true for 1."""


class Prices(BaseModel):
    """What storage costs.

    Attributes:
        per_unit_month: for a unit of storage, for a month.
        currency: in which.
        unit_bytes: how many bytes a unit has.
        base_month: what is paid in any case, for a month.
        included_bytes: how much storage that pays for.
        source: where the prices are from, for people.
    """

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True
    )

    per_unit_month: Annotated[float, _NotBoolean] = Field(ge=0, le=10**12, allow_inf_nan=False)
    currency: str = Field(default="USD", min_length=1, max_length=10)
    unit_bytes: Annotated[int, _NotBoolean] = Field(default=10**9, ge=1)
    base_month: Annotated[float, _NotBoolean] = Field(
        default=0.0, ge=0, le=10**12, allow_inf_nan=False
    )
    included_bytes: Annotated[int, _NotBoolean] = Field(default=0, ge=0)
    source: str = ""

    @classmethod
    def of(cls, listed: ListPrice) -> Self:
        """Return the public list price of a service."""
        return cls(
            per_unit_month=listed.per_unit_month,
            currency=listed.currency,
            unit_bytes=listed.unit_bytes,
            base_month=listed.base_month,
            included_bytes=listed.included_bytes,
            source=f"list price of {listed.checked}, {listed.source}",
        )

    @classmethod
    def read(cls, file: Path) -> Self:
        """Read prices from a JSON or TOML file.

        Raises:
            ClientError: the file cannot be read.
            UsageError: it holds something else.
        """
        try:
            text = file.read_text(encoding="utf-8")
            given = tomllib.loads(text) if file.suffix == ".toml" else json.loads(text)
        except OSError as failure:
            raise ClientError(
                f"{file} cannot be read: {failure.strerror}", "name another file with --prices"
            ) from None
        except (ValueError, RecursionError):
            kind = "TOML" if file.suffix == ".toml" else "JSON"
            raise UsageError(
                f"{file} is not {kind}", f"correct it, or name a file in .toml or .json; {_FIX}"
            ) from None
        if not isinstance(given, dict):
            raise UsageError(f"{file} holds something else than a table of prices", _FIX)
        try:
            return cls.model_validate({"source": str(file), **given})
        except ValidationError as mistake:
            first = mistake.errors()[0]
            name = ".".join(map(str, first["loc"]))
            raise UsageError(f"{file}: {name}: {first['msg']}", _FIX) from None

    def cost(self, stored_bytes: int) -> "MonthlyCost":
        """Return what it costs to keep so much for a month."""
        paid = max(0, stored_bytes - self.included_bytes)
        amount = self.base_month + self.per_unit_month * paid / self.unit_bytes
        return MonthlyCost(amount, self.currency, self.source)


@dataclass(frozen=True)
class MonthlyCost:
    """What storage costs for a month.

    Attributes:
        amount: the sum.
        currency: in which.
        source: of the prices.
    """

    amount: float
    currency: str
    source: str
