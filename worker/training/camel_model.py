"""Base class of pydantic models stored as JSON: camelCase in JSON, snake_case in Python. Pure."""

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class CamelModel(BaseModel):
    """Base of records and manifests; ignores unknown fields, which later versions may have added."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)
