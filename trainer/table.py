"""A table of a recipe: strict, frozen, and told by name where a key of it is unknown."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

Share = Annotated[float, Field(ge=0, lt=1)]


class Table(BaseModel):
    """Keys that are none of its fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, table: Any) -> Any:
        for key in table if isinstance(table, dict) else ():
            if key not in cls.model_fields:
                allowed = ", ".join(cls.model_fields)
                raise PydanticCustomError(
                    "unknown_key", "unknown key; allowed: {allowed}", {"key": key, "allowed": allowed}
                )
        return table
