"""Results on their way out: arrays become frames of the user's kind, or Parquet files."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from daskrec.data import frames, ids
from daskrec.engine import runtime
from daskrec.engine.arrays import Array, Arrays, open_folder


@dataclass(frozen=True)
class Form:
    """The kind, columns and types of a result.

    Parameters
    ----------
    kind
        Name of the kind of frame.
    part
        Name of the kind of its partitions (the kind itself for a frame in memory).
    empty
        Columns without rows, in order: their names and the types of their arrays.
    dtypes
        Types of columns that follow those of the log, as the kind spells them.
    """

    kind: str
    part: str
    empty: Arrays
    dtypes: dict[str, Any] = field(default_factory=dict)

    @property
    def lazy(self) -> bool:
        """Whether the result is a lazy frame of partitions."""
        return bool(frames.kind_named(self.kind).partitioned)

    def build(self, columns: Arrays) -> Any:
        """Make a frame in memory, or a partition, of arrays."""
        dtypes = {name: kind for name, kind in self.dtypes.items() if kind is not None}
        return frames.kind_named(self.part).build(columns, dtypes)


def finish(tasks: Sequence[Any], form: Form, path: Any = None, label: str = "scoring") -> Any:
    """Make the result of tasks that give its columns.

    Parameters
    ----------
    tasks
        Tasks that return ``Arrays`` with the columns of the form.
    form
        What the result looks like.
    path
        Write Parquet there and return None.
    label
        What the work is called on a progress bar.

    Returns
    -------
    frame or None
        A lazy frame for a partitioned kind, a finished one for the others.
    """
    if not tasks:
        tasks = [runtime.task(_empty, form)]
    if path is not None:
        write_parquet(tasks, form, str(path), label)
        return None
    if not form.lazy:
        return form.build(join(runtime.compute(tasks, label), form.empty))
    parts = [runtime.task(build_part, columns, form) for columns in tasks]
    return frames.kind_named(form.kind).assemble(parts, form.build(form.empty))


def _empty(form: Form) -> Arrays:
    return form.empty


def build_part(columns: Arrays, form: Form) -> Any:
    """Make one partition of a lazy result."""
    return form.build(columns)


def join(parts: Sequence[Arrays], empty: Arrays) -> Arrays:
    """Join columns end to end."""
    if not parts:
        return empty
    return {name: ids.concat([part[name] for part in parts]) for name in empty}


def write_parquet(tasks: Sequence[Any], form: Form, path: str, label: str) -> None:
    """Write a result as Parquet: one file from memory, a folder of parts from partitions.

    It is written beside the path and renamed, so that an old result is there until the
    new one is whole.

    Raises
    ------
    FileExistsError
        The path is a folder that holds anything but Parquet files.
    """
    fs, target = open_folder(path)
    target = target.rstrip("/")
    refuse_foreign_folder(fs, target)
    beside = f"{target}.part-{uuid.uuid4().hex}"
    try:
        if form.lazy:
            fs.makedirs(beside, exist_ok=True)
            url = fs.unstrip_protocol(beside)
            jobs = [
                runtime.task(write_part, columns, form, f"{url}/part-{number:05d}.parquet")
                for number, columns in enumerate(tasks)
            ]
            runtime.compute(jobs, label)
        else:
            parent = target.rpartition("/")[0]
            if parent:
                fs.makedirs(parent, exist_ok=True)
            columns = join(runtime.compute(tasks, label), form.empty)
            write_part(columns, form, fs.unstrip_protocol(beside))
        if fs.exists(target):
            fs.rm(target, recursive=True)
        fs.mv(beside, target, recursive=form.lazy)
    finally:
        if fs.exists(beside):
            fs.rm(beside, recursive=True)


def refuse_foreign_folder(fs: Any, target: str) -> None:
    """Raise ``FileExistsError`` for a folder that holds anything but Parquet files."""
    if fs.isdir(target) and any(
        not name.endswith((".parquet", "_metadata", "_common_metadata"))
        for name in fs.ls(target, detail=False)
    ):
        raise FileExistsError(f"{target} is a folder with other files in it: name another path")


def write_part(columns: Arrays, form: Form, url: str) -> None:
    """Write one Parquet file with the columns of a result."""
    import pyarrow.parquet as pq

    table = pa.table({name: _typed(columns[name], form.dtypes.get(name)) for name in form.empty})
    fs, inside = open_folder(url)
    with fs.open(inside, "wb") as sink:
        pq.write_table(table, sink)


def _typed(array: Array, dtype: Any) -> pa.Array:
    """Give integer ids the width that they had in the log."""
    column = pa.array(array)
    kind = getattr(pa, str(dtype).lower().removesuffix("[pyarrow]"), None)
    if callable(kind) and pa.types.is_integer(column.type) and pa.types.is_integer(kind()):
        return column.cast(kind())
    return column
