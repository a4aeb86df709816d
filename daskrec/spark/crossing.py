"""Rows on their way from Spark to Arrow, and back."""

import itertools
import weakref
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from daskrec.data.once import undone_on_failure
from daskrec.engine import config, runtime
from daskrec.engine.arrays import open_folder
from daskrec.errors import LogError
from daskrec.spark import types
from daskrec.spark.staging import Staging
from daskrec.spark.types import Origin

_SMALL = 32 * 2**20  # bytes that go by Arrow alone, without files
_PART = 32 * 2**20  # bytes of a part of a large frame, at least, where files are small

_seen: "weakref.ref[Any] | None" = None  # the session of the last frame
_until_exit: list[Staging] = []


@dataclass(frozen=True)
class SparkTable:
    """A frame of Spark that was evaluated, as rows in this process."""

    table: pa.Table

    def __len__(self) -> int:
        return int(self.table.num_rows)


@dataclass(frozen=True)
class SparkParts:
    """A frame of Spark that was evaluated, as files that are read part by part.

    Parameters
    ----------
    files
        The files of each part.
    staging
        The folder that they lie in.
    origin
        What the columns were in Spark.
    empty
        The columns without rows, as Arrow.
    """

    files: list[list[str]]
    staging: Staging
    origin: Origin
    empty: pa.Table


@undone_on_failure()
def from_spark(frame: Any, names: Sequence[str], whole: bool = False) -> SparkTable | SparkParts:
    """Evaluate columns of a frame of Spark, once.

    Parameters
    ----------
    frame
        The frame.
    names
        The columns.
    whole
        Read all rows into this process, however many there are.
    """
    session = frame.sparkSession
    remember(session)
    chosen = frame.selectExpr(*types.selection(frame.schema, list(names)))
    schema = types.only(frame.schema, names)
    origin = Origin.of(schema)
    if _is_small(chosen, schema):
        return SparkTable(types.arrived(chosen.toArrow(), origin))
    staging = Staging(session)
    chosen.write.option("compression", staging.compression).parquet(staging.spark_url)
    files = staging.files()
    sizes = [_bytes_of(file) for file in files]
    if whole or sum(sizes) <= config.get_bytes("collect-limit"):
        table = read_files(files, names, origin)
        staging.remove()
        return SparkTable(table)
    empty = read_files(files[:1], names, origin).slice(0, 0)
    return SparkParts(_grouped(files, sizes), staging, origin, empty)


@undone_on_failure()
def to_spark(table: pa.Table) -> Any:
    """Return rows as a frame of Spark."""
    session = last_session()
    schema, table = types.nested(table.schema), types.for_spark(table)
    if schema is None and table.nbytes <= _SMALL and _takes_arrow(session, table):
        return session.createDataFrame(table)
    staging = Staging(session)
    staging.make()
    write_file(table, staging.file(0))
    return _loaded(session, staging, schema)


def _loaded(session: Any, staging: Staging, schema: Any) -> Any:
    """Return files as a frame of Spark that does not need them any more.

    Spark reads several files at once by their sizes, not their order: it is given a union.
    """
    files = [staging.for_spark(file) for file in staging.files()]
    whole = session.read.parquet(files[0]).schema
    if schema is not None:
        whole = types.merged(whole, schema)
    pieces = [session.read.schema(whole).parquet(file) for file in files]
    while len(pieces) > 1:  # in pairs, since Spark works down into each union
        rest = [pieces.pop()] if len(pieces) % 2 else []
        pieces = [a.unionAll(b) for a, b in zip(pieces[::2], pieces[1::2], strict=True)] + rest
    frame = pieces[0]
    try:
        kept = frame.localCheckpoint(eager=True)
    except NotImplementedError:  # Spark Connect before 4.0, where files may be asked for again
        _until_exit.append(staging)
        kept = frame.persist()
        kept.count()
        return kept
    staging.remove()
    return kept


@undone_on_failure()
def parts_to_spark(parts: Sequence[Any], empty: pa.Table) -> Any:
    """Return tasks that give Arrow tables as a frame of Spark, through files."""
    session = last_session()
    staging = Staging(session)
    staging.make()
    tasks = [runtime.task(_write_part, part, staging.file(n)) for n, part in enumerate(parts)]
    write_file(types.for_spark(empty), staging.file(len(parts)))
    runtime.compute(tasks, "results")
    return _loaded(session, staging, types.nested(empty.schema))


def read_part(files: Sequence[str], names: Sequence[str], origin: Origin, staging: Any) -> pa.Table:
    """Read some columns of a part; the folder is an argument so that it stays until then."""
    return read_files(files, names, origin)


def read_files(files: Iterable[str], names: Sequence[str], origin: Origin) -> pa.Table:
    """Read columns of Parquet files, as they were in Spark."""
    tables = []
    for file in files:
        fs, inside = open_folder(file)
        with fs.open(inside, "rb") as source:
            found = pq.read_table(source, columns=list(names)).select(list(names))
        tables.append(found.replace_schema_metadata(None))
    return types.arrived(pa.concat_tables(tables), origin)


def write_file(table: pa.Table, file: str) -> None:
    """Write rows to a Parquet file."""
    fs, inside = open_folder(file)
    with fs.open(inside, "wb") as sink:
        pq.write_table(table, sink)


def _write_part(table: pa.Table, file: str) -> None:
    write_file(types.for_spark(table), file)


def remember(session: Any) -> None:
    """Take a session for the one that results are given to."""
    global _seen
    _seen = weakref.ref(session)


def last_session() -> Any:
    """Return the session of the last frame that came, else the active one.

    Raises
    ------
    LogError
        There is none.
    """
    session = None if _seen is None else _seen()
    if session is None or _is_stopped(session):
        session = active_session()
    if session is None:
        raise LogError(
            "the result is to be a frame of Spark, as the log of the fit was, and there is no "
            "session: start one (daskrec.session_handler.get_spark_session), or give a log"
        )
    return session


def _is_stopped(session: Any) -> bool:
    context = getattr(session, "_sc", None)  # Spark Connect has none
    return context is not None and context._jsc is None


def active_session() -> Any | None:
    """Return the session that runs in this process, if there is one."""
    from pyspark.sql import SparkSession

    return SparkSession.getActiveSession()


def _is_small(frame: Any, schema: Any) -> bool:
    """Tell whether Spark itself is sure that a frame is small, without evaluating it."""
    plan = getattr(frame, "_jdf", None)
    if plan is None or not hasattr(frame, "toArrow"):
        return False
    if any(types.arrow_type(field.dataType) is None for field in schema.fields):
        return False
    size = plan.queryExecution().optimizedPlan().stats().sizeInBytes()
    return int(str(size)) <= min(_SMALL, config.get_bytes("collect-limit"))


def _takes_arrow(session: Any, table: pa.Table) -> bool:
    """Tell whether Spark makes a frame of an Arrow table.

    It would take times without a zone for points in time, in the zone of the session.
    """
    unzoned = (pa.types.is_timestamp(f.type) and f.type.tz is None for f in table.schema)
    return int(str(session.version).partition(".")[0]) >= 4 and not any(unzoned)


def _bytes_of(file: str) -> int:
    """Return the bytes that the rows of a file take as Arrow, about."""
    fs, inside = open_folder(file)
    with fs.open(inside, "rb") as source:
        found = pq.read_metadata(source)
    groups = (found.row_group(n) for n in range(found.num_row_groups))
    packed = sum(int(group.total_byte_size) for group in groups)
    return max(packed, int(found.num_rows) * 8 * int(found.num_columns))


def _grouped(files: Sequence[str], sizes: Sequence[int]) -> list[list[str]]:
    """Join files that follow each other to parts that are worth a task."""
    ends = itertools.accumulate(sizes)
    part_of = [int((end - size) // _PART) for end, size in zip(ends, sizes, strict=True)]
    pairs = zip(part_of, files, strict=True)
    return [[file for _, file in some] for _, some in itertools.groupby(pairs, lambda p: p[0])]
