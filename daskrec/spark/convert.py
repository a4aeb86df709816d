"""Frames of any kind as frames of Spark."""

from typing import Any

import pyarrow as pa

from daskrec.data import frames
from daskrec.data.paths import open_frame
from daskrec.engine import runtime
from daskrec.spark.crossing import parts_to_spark, remember, to_spark
from daskrec.spark.session import State


def convert2spark(data_frame: Any) -> Any:
    """Return a frame as one of Spark.

    Parameters
    ----------
    data_frame
        None and frames of Spark come back as they are; frames of any other kind, and paths, go
        to the running session, or to a local one that is started.

    Returns
    -------
    pyspark.sql.DataFrame or None

    Notes
    -----
    A Dask frame goes through files, a task for each partition; others in one piece.
    """
    if data_frame is None:
        return None
    frame = open_frame(data_frame, "the frame")
    kind = frames.kind_of(frame, "the frame")
    if kind.name.startswith("spark"):
        return frame
    remember(State().session)
    if not kind.partitioned:
        return to_spark(_as_arrow(frame, kind.name))
    names, part = kind.columns(frame), kind.part_kind(frame)
    empty = _as_arrow(kind.empty(frame, names), part)
    return parts_to_spark(
        [runtime.task(_as_arrow, chunk, part) for chunk in kind.parts(frame, names)], empty
    )


def _as_arrow(frame: Any, kind: str) -> pa.Table:
    """Return a frame in memory, with all of its columns."""
    if kind == "pandas":
        return pa.Table.from_pandas(frame, preserve_index=False)
    if kind == "pyarrow":
        return frame
    return frame.to_arrow()
