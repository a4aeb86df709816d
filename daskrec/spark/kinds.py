"""Frames of Spark as kinds of frames: see ``data.frames``."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
from dask.delayed import Delayed

from daskrec.data.frames import ArrowKind
from daskrec.data.kinds import Dtypes
from daskrec.engine import runtime
from daskrec.engine.arrays import Arrays, Vector
from daskrec.spark import types
from daskrec.spark.crossing import (
    SparkParts,
    SparkTable,
    from_spark,
    parts_to_spark,
    read_part,
    to_spark,
)

_arrow = ArrowKind()


def is_spark(frame: Any) -> bool:
    """Tell whether an object is a frame of Spark, of a classic session or of Spark Connect."""
    kind = type(frame)
    return kind.__module__.startswith("pyspark.sql") and kind.__name__ == "DataFrame"


class SparkKind:
    """Frames of Spark, and what was read of one into this process."""

    name = "spark"
    partitioned = False

    def owns(self, frame: Any) -> bool:
        """Tell whether an object is a frame of this kind."""
        return isinstance(frame, SparkTable) or is_spark(frame)

    def opened(self, frame: Any, names: Sequence[str]) -> Any:
        """Evaluate columns of a frame: rows in this process, or files where they are many."""
        return from_spark(frame, names) if is_spark(frame) else frame

    def columns(self, frame: Any) -> list[str]:
        """Return the names of the columns."""
        return list(frame.columns if is_spark(frame) else frame.table.column_names)

    def dtypes(self, frame: Any, names: Sequence[str]) -> Dtypes:
        """Return Arrow types."""
        if isinstance(frame, SparkTable):
            return _arrow.dtypes(frame.table, names)
        return {name: types.arrow_type(frame.schema[name].dataType) for name in names}

    def arrays(self, frame: Any, names: Sequence[str]) -> Arrays:
        """Return columns as arrays."""
        if is_spark(frame):
            frame = from_spark(frame, names, whole=True)
        return _arrow.arrays(frame.table, names)

    def build(self, columns: Arrays, dtypes: Dtypes) -> Any:
        """Make a frame of Spark."""
        return to_spark(_arrow.build(columns, dtypes))

    def filter(self, frame: SparkTable, mask: Vector) -> Any:
        """Return the rows where a mask is true."""
        return to_spark(_arrow.filter(frame.table, mask))

    def assign(
        self, frame: SparkTable, columns: Arrays, dtypes: Dtypes, drop: Sequence[str]
    ) -> Any:
        """Return the frame without some columns and with others."""
        table = _arrow.assign(frame.table, columns, dtypes, drop)
        return to_spark(table)


class SparkPartsKind:
    """Frames of Spark that are too large for one process, as files."""

    name = "spark-parts"
    partitioned = True

    def owns(self, frame: Any) -> bool:
        """Tell whether an object is a frame of this kind."""
        return isinstance(frame, SparkParts)

    def columns(self, frame: SparkParts) -> list[str]:
        """Return the names of the columns."""
        return list(frame.empty.column_names)

    def dtypes(self, frame: SparkParts, names: Sequence[str]) -> Dtypes:
        """Return Arrow types."""
        return _arrow.dtypes(frame.empty, names)

    def part_kind(self, frame: SparkParts) -> str:
        """Return the name of the kind of the parts."""
        return _arrow.name

    def empty(self, frame: SparkParts, names: Sequence[str]) -> pa.Table:
        """Return a part without rows."""
        return frame.empty.select(list(names))

    def parts(self, frame: SparkParts, names: Sequence[str]) -> list[Delayed]:
        """Return the parts as tasks that read their files."""
        names = list(names)
        return [
            runtime.task(read_part, files, names, frame.origin, frame.staging)
            for files in frame.files
        ]

    def held(self, frame: SparkParts) -> SparkParts:
        """Return the frame, which can be read again at little cost."""
        return frame

    def assemble(self, parts: Sequence[Delayed], empty: pa.Table) -> Any:
        """Make a frame of Spark of parts that look like ``empty``; it is computed now."""
        return parts_to_spark(parts, empty)
