"""What every resource type is made of: the frozen base model, scalar types, schema markers, conditions.

Knows pydantic and nothing else of this project. A marker is data that the CRD generator (`crd`) turns into
`x-kubernetes-*` words; Python itself checks only what a single value can break, the API server checks the rest.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
)
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from bucle.contracts.base import DECIMAL_PATTERN
from bucle.resources.columns import Column

GROUP: Final = "bucle.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
CATEGORY: Final = "bucle"

NAME_LIMIT: Final = 38
NAME_PATTERN: Final = rf"^[a-z]([-a-z0-9]{{0,{NAME_LIMIT - 2}}}[a-z0-9])?$"
QUANTITY_PATTERN: Final = r"^[+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([numkMGTPE]|[KMGTPE]i|[eE][-+]?[0-9]{1,2})?$"
SETTING_PATTERN: Final = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?(e-?[0-9]{1,2})?$"
DURATION_PATTERN: Final = r"^([0-9]{1,6}(\.[0-9]{1,6})?(ms|s|m|h)){1,4}$"
LONGEST_HOURS: Final = 87_600
SAFE_INTEGER: Final = 2**53 - 1
"""Every whole number up to here is the same in JSON, in Parquet and in a float64."""
DEEPEST_LITERAL: Final = 32
MESSAGE_LIMIT: Final = 4096
SHORT_LIMIT: Final = 256


def wire_name(field: str) -> str:
    """The name in YAML: camelCase, and without the underscore that keeps a Python word free (`from_` → `from`)."""
    return to_camel(field.rstrip("_"))


@dataclass(frozen=True, slots=True)
class Rule:
    """One CEL rule (`x-kubernetes-validations`). `message` says what must hold; `field` where the server says it is
    wrong, if not where the rule stands (of a rule on the whole object it would say `<nil>`)."""

    rule: str
    message: str
    field: str | None = None

    def as_schema(self) -> dict[str, str]:
        return {"rule": self.rule, "message": self.message} | ({"fieldPath": self.field} if self.field else {})


@dataclass(frozen=True, slots=True)
class Held:
    """The CEL rule of a scalar, `self` being its value; it holds wherever the type is used."""

    rule: Rule

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(core), "x-kubernetes-validations": [self.rule.as_schema()]}


@dataclass(frozen=True, slots=True)
class ListType:
    """How the server merges a list: atomic, set, or map by `keys` (which also makes the server refuse duplicates)."""

    kind: Literal["atomic", "set", "map"] = "atomic"
    keys: tuple[str, ...] = ()

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler(core)
        schema["x-kubernetes-list-type"] = self.kind
        if self.keys:
            schema["x-kubernetes-list-map-keys"] = list(self.keys)
        return schema


@dataclass(frozen=True, slots=True)
class Schema:
    """Replaces the generated schema of a scalar by exactly these words."""

    words: Mapping[str, Any]

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return dict(self.words)

    def __hash__(self) -> int:
        return hash(tuple(sorted(self.words)))


class Model(BaseModel):
    """Frozen, camelCase in YAML, blind to unknown fields: a live object may come from a newer schema."""

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        alias_generator=wire_name,
        populate_by_name=True,
        use_attribute_docstrings=False,
    )
    rules: ClassVar[tuple[Rule, ...]] = ()

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """Itself, as it is frozen: pydantic copies every default that holds a list, at each of the many parses."""
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler(core)
        if cls.rules:
            resolved = handler.resolve_ref_schema(schema)
            resolved["x-kubernetes-validations"] = [rule.as_schema() for rule in cls.rules]
        return schema


# --- scalars -------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def parse_duration(text: str) -> timedelta:
    """A Go duration without days (`1h30m`, `500ms`, `0s`) as a timedelta; ValueError when it is not one."""
    if not re.fullmatch(DURATION_PATTERN, text):
        raise ValueError(f"{text!r} is no duration: it must look like 90s, 10m, 1h30m or 500ms")
    unit_ms = {"ms": Decimal(1), "s": Decimal(1000), "m": Decimal(60_000), "h": Decimal(3_600_000)}
    parts = re.findall(r"([0-9.]+)(ms|s|m|h)", text)
    milliseconds = sum((Decimal(number) * unit_ms[unit] for number, unit in parts), Decimal(0))
    return timedelta(microseconds=int(milliseconds * 1000))


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


def _quantity(value: Any) -> Any:
    """Kubernetes takes `cpu: 1` and `cpu: 0.5` as well as `cpu: "1"` and `cpu: 500m`."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return format(Decimal(str(value)), "f")
    return value


def _long_enough(text: str) -> str:
    if not timedelta(seconds=1) <= parse_duration(text) <= timedelta(hours=LONGEST_HOURS):
        raise ValueError(_TIME_LIMIT.message)
    return text


def _free_alias(text: str) -> str:
    if text.lower() == "latest" or re.fullmatch(r"[vV][0-9]+", text):
        raise ValueError(_FREE_ALIAS.message)
    return text


def _shallow(text: str) -> str:
    """Brackets within a JSON text are counted too: a literal that nests 32 deep has no string that matters."""
    depth = 0
    for character in text:
        depth += (character in "[{") - (character in "]}")
        if depth > DEEPEST_LITERAL:
            raise ValueError(f"a JSON literal must not nest deeper than {DEEPEST_LITERAL}")
    return text


def _cut(limit: int) -> BeforeValidator:
    """Text made by machines is cut, not refused: a long error message must not keep a status from being written."""
    return BeforeValidator(lambda value: value[:limit] if isinstance(value, str) else value)


_TIME_LIMIT = Rule(
    f"duration(self) >= duration('1s') && duration(self) <= duration('{LONGEST_HOURS}h')",
    f"a time limit must be at least 1s and at most {LONGEST_HOURS}h",
)
_FREE_ALIAS = Rule(
    "self.lowerAscii() != 'latest' && !self.matches('^[vV][0-9]+$')",
    "an alias must not be `latest` or `v` and a number: MLflow keeps these for itself",
)
_OWN_PREFIX = Rule(
    "!self.startsWith('bucle_')", "a column's name must not begin with `bucle_`: such columns are Bucle's own"
)
DecimalString = Annotated[str, Field(pattern=DECIMAL_PATTERN, max_length=32)]
"""A number as text, such as "0.05": floats do not survive every client."""

Setting = Annotated[str, Field(pattern=SETTING_PATTERN, max_length=32)]
"""A decimal that a person writes: with two digits of exponent no sum, difference or square of two is infinite."""

Duration = Annotated[str, Field(pattern=DURATION_PATTERN, max_length=40)]
"""Go syntax without days; see `parse_duration`."""

TimeLimit = Annotated[Duration, AfterValidator(_long_enough), Held(_TIME_LIMIT)]
"""A duration after which something is given up: 0s would give up at once."""

Quantity = Annotated[
    str,
    BeforeValidator(_quantity),
    Field(pattern=QUANTITY_PATTERN, max_length=32),
    Schema(
        {
            "description": "Amount of the resource, such as 500m, 0.5 or 2Gi.",
            "maxLength": 32,
            "pattern": QUANTITY_PATTERN,
            "minimum": 0,
            "maxItems": 0,
            "maxProperties": 0,
            "x-kubernetes-preserve-unknown-fields": True,
        }
    ),
]
"""A Kubernetes quantity, such as 500m or 2Gi. A schema has no word for "number or string", and Kubernetes takes
`cpu: 0.5`: so any value is taken, text must match, a number must not be negative, lists and maps must be empty."""

ObjectName = Annotated[str, Field(pattern=NAME_PATTERN, max_length=NAME_LIMIT)]
"""The name of one of the four kinds: short enough that every child's name fits in 63 characters."""

DnsName = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)]
"""An RFC 1123 label."""

ModelName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][-_.A-Za-z0-9]*$", max_length=128)]
AliasName = Annotated[
    str, Field(pattern=r"^[A-Za-z][-_A-Za-z0-9]*$", max_length=64), AfterValidator(_free_alias), Held(_FREE_ALIAS)
]
MetricName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]
ColumnName = Annotated[str, Field(pattern=r"^\S(.*\S)?$", max_length=128)]
OwnColumnName = Annotated[ColumnName, Held(_OWN_PREFIX)]
"""A column that a schema declares; what only refers to columns takes any name, and is refused for being unknown."""
ClassPath = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)+$", max_length=256)]
ParameterName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=128)]
TimeZone = Annotated[str, Field(pattern=r"^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+){0,2}$", max_length=64)]
"""An IANA time zone, such as America/New_York."""

StoreUri = Annotated[str, Field(pattern=r"^s3://[^/\s]+(/\S*)?$", max_length=1024)]
Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$", max_length=71)]
Percent = Annotated[int, Field(ge=0, le=100)]
Count = Annotated[int, Field(ge=0, le=SAFE_INTEGER)]
Positive = Annotated[int, Field(ge=1, le=SAFE_INTEGER)]
Whole = Annotated[int, Field(ge=-SAFE_INTEGER, le=SAFE_INTEGER)]
Turn = Annotated[int, Field(ge=0, le=99_999_999)]
"""Raised by a person to do something again. Eight digits hold a date, and keep the names of Jobs within 63 characters."""

Timestamp = Annotated[
    AwareDatetime, AfterValidator(_utc), Schema({"type": "string", "format": "date-time", "maxLength": 40})
]
"""RFC 3339; always UTC in Python."""

Short = Annotated[str, _cut(SHORT_LIMIT), Field(max_length=SHORT_LIMIT)]
"""A name, state or reason written by the operator."""

Text = Annotated[str, _cut(MESSAGE_LIMIT), Field(max_length=MESSAGE_LIMIT)]
"""A sentence written by the operator."""

Uri = Annotated[str, Field(max_length=1024)]
Params = Annotated[
    dict[
        Annotated[str, Field(max_length=128)],
        Annotated[str, Field(max_length=1024, description="A JSON literal, else a plain string.")],
    ],
    Field(max_length=64),
]
"""The values of searched parameters, as the operator writes them."""

Arguments = Annotated[
    dict[
        Annotated[str, Field(max_length=128)],
        Annotated[
            str,
            AfterValidator(_shallow),
            Field(max_length=1024, description="A JSON literal, else a plain string."),
        ],
    ],
    Field(max_length=64),
]
"""Constructor arguments as a person writes them: each value is parsed as a JSON literal, else taken as a string. How
deep it nests is said by the types alone: a CEL rule on every value costs more than the API server allows."""

Metrics = Annotated[
    dict[
        Annotated[str, Field(max_length=64)],
        Annotated[DecimalString, Field(description="The metric's value.")],
    ],
    Field(max_length=64),
]


# --- shared parts --------------------------------------------------------------------------------------------


class Condition(Model):
    """One aspect of the state, as in the Kubernetes API conventions."""

    type: Annotated[str, Field(max_length=316, description="Ready, Reconciling, Stalled or a kind's own type.")]
    status: Literal["True", "False", "Unknown"] = Field(description="Whether it holds.")
    reason: Short = Field(default="", description="One word from the documented list of reasons.")
    message: Text = Field(default="", description="What was tried, on what, and what to do next.")
    last_transition_time: Timestamp | None = Field(default=None, description="When `status` last changed.")
    observed_generation: int | None = Field(default=None, description="The generation this was judged on.")


Conditions = Annotated[
    tuple[Condition, ...],
    ListType("map", ("type",)),
    Field(max_length=32, description="Current conditions, one of each type."),
]


class Status(Model):
    """What all kinds report. The default −1 makes a new object \"in progress\" for every tool that waits."""

    observed_generation: int = Field(default=-1, description="The generation this status speaks of.")
    conditions: Conditions = ()


class GroupBy(Model):
    """Rows that hang together, such as those of one day; they are split, paired and judged as one."""

    column: ColumnName = Field(description="The column that tells the group.")
    unit: Literal["Hour", "Day", "Week"] | None = Field(
        default=None, description="Cuts a timestamp into groups; left out, the value itself is the group."
    )
    time_zone: TimeZone = Field(default="Etc/UTC", description="The IANA time zone in which a unit begins.")


class Interval(Model):
    """A confidence interval."""

    lower: DecimalString | None = Field(default=None, description="Lower end; left out when there is none.")
    upper: DecimalString | None = Field(default=None, description="Upper end; left out when there is none.")


class ModelReference(Model):
    """One model: where it is registered and what its artifact hashes to."""

    name: Short | None = Field(default=None, description="Registered name.")
    version: int | None = Field(default=None, description="Version in the registry.")
    uri: Uri | None = Field(default=None, description="The artifact in the store; enough to load it.")
    digest: Short | None = Field(default=None, description="Digest of the artifact's files.")


class ObjectMeta(Model):
    """The parts of Kubernetes metadata that plans read; the API server owns the rest."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    managed_fields: tuple[dict[str, Any], ...] = ()
    creation_timestamp: Timestamp | None = None
    deletion_timestamp: Timestamp | None = None


class Resource(Model):
    """One object of a kind. Subclasses add `spec` and `status` and say how the kind is called."""

    kind_name: ClassVar[str] = ""
    plural: ClassVar[str] = ""
    short_name: ClassVar[str] = ""
    columns: ClassVar[tuple[Column, ...]] = ()

    api_version: str = API_VERSION
    kind: str = ""
    metadata: ObjectMeta = ObjectMeta()


def named_rule() -> Rule:
    """The root rule of every kind: its children's names are made from its own."""
    return Rule(
        f"self.metadata.name.matches('{NAME_PATTERN}')",
        f"`metadata.name` must be at most {NAME_LIMIT} characters: lower-case letters, digits and hyphens, "
        "starting with a letter and ending with a letter or digit",
    )


def or_default(field: str, default: str) -> str:
    """CEL for the field's value. The server stores no default below a list, so a rule must know what absent means."""
    return f"(has({field}) ? {field} : '{default}')"


def exactly_one(*members: str) -> Rule:
    """The rule of a union: one of the sibling objects is set, and no other."""
    total = " + ".join(f"(has(self.{member}) ? 1 : 0)" for member in members)
    return Rule(f"{total} == 1", "exactly one of " + ", ".join(f"`{m}`" for m in members) + " must be set")
