"""Types of columns on either side."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from daskrec.errors import LogError

# What Spark's own names of simple types (``simpleString``) are in Arrow.
_SIMPLE: dict[str, pa.DataType] = {
    "tinyint": pa.int8(),
    "smallint": pa.int16(),
    "int": pa.int32(),
    "bigint": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "string": pa.string(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", "UTC"),
    "timestamp_ntz": pa.timestamp("us"),
    "binary": pa.binary(),
}
_INSTANT = "timestamp"
_KEY = b"daskrec.spark"
# Unsigned integers, which Spark has not, become the next wider ones.
_WIDER = {
    pa.uint8(): pa.int16(),
    pa.uint16(): pa.int32(),
    pa.uint32(): pa.int64(),
    pa.uint64(): pa.decimal128(20, 0),
}


def arrow_type(kind: Any) -> pa.DataType | None:
    """Return the Arrow type of a simple type of Spark; None for arrays, structures and the like."""
    name = str(kind.simpleString())
    if name.startswith("decimal("):
        return pa.decimal128(int(kind.precision), int(kind.scale))
    if name.startswith(("char(", "varchar(")):
        return pa.string()
    return _SIMPLE.get(name)


def selection(schema: Any, names: list[str]) -> list[str]:
    """Return the expressions that columns leave Spark by.

    Points in time go as microseconds since 1970 in UTC: Spark writes them to Parquet as the
    configuration of the session says, and hands them to Arrow in the zone of the session.
    """
    _check_names([field.name for field in schema.fields], names)
    kinds = {field.name: field.dataType.simpleString() for field in schema.fields}
    return [
        f"unix_micros({_quoted(n)}) AS {_quoted(n)}" if kinds[n] == _INSTANT else _quoted(n)
        for n in names
    ]


@dataclass(frozen=True)
class Origin:
    """What the columns of a table were in Spark, for processes that may not have pyspark.

    Parameters
    ----------
    instants
        The points in time.
    nested
        The types of arrays, structures, vectors and the like, as JSON; None for no such.
    """

    instants: tuple[str, ...]
    nested: str | None

    @classmethod
    def of(cls, schema: Any) -> "Origin":
        """Read a schema of Spark."""
        fields = schema.fields
        instants = (f.name for f in fields if f.dataType.simpleString() == _INSTANT)
        nested = [field for field in fields if arrow_type(field.dataType) is None]
        return cls(tuple(instants), _struct(nested).json() if nested else None)


def arrived(table: pa.Table, origin: Origin) -> pa.Table:
    """Return a table as it was before ``selection``.

    What Spark writes of its types beside the columns would be wrong as soon as one is changed. Of
    those that do not follow from the Arrow types, they are kept under a key of our own.
    """
    table = table.replace_schema_metadata({_KEY: origin.nested} if origin.nested else None)
    for name in origin.instants:
        place = table.schema.get_field_index(name)
        if place >= 0:
            table = table.set_column(place, name, table.column(place).cast(_SIMPLE[_INSTANT]))
    return table


def nested(schema: pa.Schema) -> Any:
    """Return the types of Spark of columns whose Arrow types do not say them; None for no such."""
    told = (schema.metadata or {}).get(_KEY)
    if told is None:
        return None
    from pyspark.sql.types import StructType

    kept = {f.name for f in schema if pa.types.is_nested(f.type)}
    fields = [f for f in StructType.fromJson(json.loads(told)).fields if f.name in kept]
    return _struct(fields) if fields else None


def merged(found: Any, wanted: Any) -> Any:
    """Return a schema whose fields are those that are wanted, where there are such."""
    known = {field.name: field for field in wanted.fields}
    return _struct([known.get(field.name, field) for field in found.fields])


def only(schema: Any, names: Sequence[str]) -> Any:
    """Return a schema with some fields."""
    return _struct([schema[name] for name in names])


def for_spark(table: pa.Table) -> pa.Table:
    """Return a table whose types Spark has."""
    table = table.replace_schema_metadata(None)
    for place, field in enumerate(table.schema):
        wanted = _spark_has(field.type)
        if wanted != field.type:
            column = table.column(place).cast(wanted, safe=False)
            table = table.set_column(place, field.name, column)
    return table


def _spark_has(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(kind):
        return _spark_has(kind.value_type)
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", kind.tz)
    if pa.types.is_large_string(kind) or pa.types.is_null(kind):
        return pa.string()
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.list_(_spark_has(kind.value_type))
    return _WIDER.get(kind, kind)


def _struct(fields: Sequence[Any]) -> Any:
    from pyspark.sql.types import StructType

    return StructType(list(fields))


def _check_names(present: list[str], names: list[str]) -> None:
    twice = sorted({name for name in names if present.count(name) > 1})
    if twice:
        raise LogError(f"a frame of Spark has several columns of one name: {twice}")


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"
