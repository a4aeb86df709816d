"""Interactions and features in one object, as today's scripts of the original hand them over."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from daskrec.data import frames, ids, ranges
from daskrec.data.columns import SPELLINGS, Roles
from daskrec.data.ids import Ids
from daskrec.data.once import reading_once
from daskrec.data.rows import read_ids
from daskrec.data.schema import FeatureHint, FeatureSchema, FeatureSource
from daskrec.data.tables import Table, each
from daskrec.engine.arrays import Arrays
from daskrec.errors import LogError

_FRAMES = {
    FeatureSource.INTERACTIONS: "interactions",
    FeatureSource.QUERY_FEATURES: "query_features",
    FeatureSource.ITEM_FEATURES: "item_features",
}


class Dataset:
    """Interactions, features of queries (users) and of items, and what their columns are.

    Models take it in the place of a log and of features: ``model.fit(dataset)``,
    ``model.predict(dataset, k)``. Results have the names of its columns, and ``rating`` where it
    has no column of ratings.

    Parameters
    ----------
    feature_schema
        What the columns are; columns that it does not mention are not looked at.
    interactions
        A frame of any kind.
    query_features, item_features
        Frames with a column of ids, under the name that it has in the interactions, and features.
    check_consistency
        Look whether every id of the interactions has features, which reads the frames.
    categorical_encoded
        Kept, for scripts that ask for it; models here take any ids.

    Raises
    ------
    LogError
        The schema has no column of ids, a frame lacks a column, or ids have no features.
    """

    def __init__(
        self,
        feature_schema: FeatureSchema,
        interactions: Any,
        query_features: Any = None,
        item_features: Any = None,
        check_consistency: bool = True,
        categorical_encoded: bool = False,
    ) -> None:
        self.interactions = interactions
        self.query_features = query_features
        self.item_features = item_features
        self.is_categorical_encoded = categorical_encoded
        self.feature_schema = self._placed(feature_schema)
        if check_consistency:
            for hint in (FeatureHint.QUERY_ID, FeatureHint.ITEM_ID):
                self._check_ids(hint)

    def __repr__(self) -> str:
        return f"Dataset({self.feature_schema.columns})"

    @property
    def is_pandas(self) -> bool:
        """Whether the interactions are a pandas frame."""
        return bool(frames.kind_of(self.interactions).name == "pandas")

    @property
    def is_polars(self) -> bool:
        """Whether the interactions are a polars frame."""
        return bool(frames.kind_of(self.interactions).name == "polars")

    @property
    def is_spark(self) -> bool:
        """Whether the interactions are a frame of Spark."""
        return str(frames.kind_of(self.interactions).name).startswith("spark")

    @property
    def query_ids(self) -> Any:
        """The distinct ids of queries, as a frame of one column."""
        return self._id_frame(FeatureHint.QUERY_ID)

    @property
    def item_ids(self) -> Any:
        """The distinct ids of items, as a frame of one column."""
        return self._id_frame(FeatureHint.ITEM_ID)

    @property
    def query_count(self) -> int:
        """Number of distinct queries."""
        return len(self._ids(FeatureHint.QUERY_ID, *self._source(FeatureHint.QUERY_ID)))

    @property
    def item_count(self) -> int:
        """Number of distinct items."""
        return len(self._ids(FeatureHint.ITEM_ID, *self._source(FeatureHint.ITEM_ID)))

    def subset(self, features_to_keep: Iterable[str]) -> "Dataset":
        """Return a dataset with some of the features; columns of ids stay."""
        schema = self.feature_schema
        kept = {*features_to_keep, schema.query_id_column, schema.item_id_column}
        found = schema.subset(kept)
        own = (schema.query_id_column, schema.item_id_column)
        sides = {
            "query_features": found.query_features.drop(column=own[0]),
            "item_features": found.item_features.drop(column=own[1]),
        }
        frames_kept = {what: getattr(self, what) if more else None for what, more in sides.items()}
        # A column of ids that lay in a frame of features is looked for anew.
        placed = [replace(one, feature_source=None) for one in found.all_features]
        return Dataset(
            FeatureSchema(placed),
            self.interactions,
            check_consistency=False,
            categorical_encoded=self.is_categorical_encoded,
            **frames_kept,
        )

    @property
    def roles(self) -> Roles:
        """The columns of the interactions by their roles."""
        schema = self.feature_schema
        return Roles(
            schema.query_id_column,
            schema.item_id_column,
            schema.interactions_rating_column,
            schema.interactions_timestamp_column,
        )

    def log(self) -> Any:
        """Return the interactions under names that are known everywhere here."""
        return _renamed(self.interactions, vars(self.roles), "interactions")

    def features(self, role: str) -> Any:
        """Return the features of ``"user"`` or ``"item"``, under such a name; None without any."""
        named = self.roles
        if role == "user":
            frame, name, source = self.query_features, named.user, FeatureSource.QUERY_FEATURES
        else:
            frame, name, source = self.item_features, named.item, FeatureSource.ITEM_FEATURES
        if frame is None:
            return None
        wanted = self.feature_schema.filter(feature_source=source).columns
        present = frames.kind_of(frame, source.value).columns(frame)
        extra = [n for n in present if n not in {name, *wanted}]
        return _renamed(frame, {role: name}, source.value, extra)

    def _placed(self, schema: FeatureSchema) -> FeatureSchema:
        """Return the schema with the frame of each column."""
        names = {
            source: list(frames.kind_of(frame, what).columns(frame))
            for source, what in _FRAMES.items()
            if (frame := getattr(self, what)) is not None
        }
        home = {FeatureHint.QUERY_ID: FeatureSource.QUERY_FEATURES,
                FeatureHint.ITEM_ID: FeatureSource.ITEM_FEATURES}  # fmt: skip
        for column in (schema.query_id_column, schema.item_id_column):
            if column not in names[FeatureSource.INTERACTIONS]:
                raise LogError(f"the interactions have no column {column!r}, which is one of ids")
        placed = []
        for one in schema.all_features:
            found = [source for source, present in names.items() if one.column in present]
            if not found:
                raise LogError(f"no frame of the dataset has the column {one.column!r}")
            wanted = home.get(one.feature_hint) if one.feature_hint else None
            source = one.feature_source or (wanted if wanted in found else found[0])
            placed.append(replace(one, feature_source=source))
        return FeatureSchema(placed)

    @reading_once()
    def _check_ids(self, hint: FeatureHint) -> None:
        frame, what = self._source(hint)
        if what == "interactions":
            return
        known = self._ids(hint, frame, what)
        used = self._ids(hint, self.interactions, "interactions")
        missing = int((known.encode(used.values) < 0).sum())
        if missing:
            raise LogError(f"{missing} ids of the interactions are not in {what}")

    def _source(self, hint: FeatureHint) -> tuple[Any, str]:
        """Return the frame that has all ids of a kind, and its name."""
        what = "query_features" if hint is FeatureHint.QUERY_ID else "item_features"
        frame = getattr(self, what)
        return (frame, what) if frame is not None else (self.interactions, "interactions")

    def _ids(self, hint: FeatureHint, frame: Any, what: str) -> Ids:
        name = self.feature_schema.filter(feature_hint=hint).item().column
        table = Table.of(frame, what, only=[name])
        found = each(table.lazy, _distinct, [(p, name, what) for p in table.arrays([name])])
        known = ranges.all_ids(found)
        assert known is not None
        return known

    def _id_frame(self, hint: FeatureHint) -> Any:
        frame, what = self._source(hint)
        name = self.feature_schema.filter(feature_hint=hint).item().column
        table = Table.of(frame, what, only=[name])
        found = {name: self._ids(hint, frame, what).values}
        whole = [found] if not table.lazy else each(True, dict, [(found,)])
        empty = {name: found[name][:0]}
        return table.build(whole, empty, table.dtypes([name]))


def _distinct(columns: Arrays, name: str, what: str) -> Ids:
    return ids.distinct(read_ids(columns[name], name, what))


def _renamed(frame: Any, names: dict[str, str | None], what: str, drop: Iterable[str] = ()) -> Any:
    """Return a frame whose columns have known names where theirs are not such."""
    known = {
        role: name
        for role, name in names.items()
        if name is not None and name not in SPELLINGS[role]
    }
    if not known and not list(drop):
        return frame
    table = Table.of(frame, what)
    plan = tuple((SPELLINGS[role][0], name) for role, name in known.items())
    taken = [new for new, _ in plan if new in table.names]
    if taken:
        raise LogError(f"{what} has columns {taken} besides those that the schema calls so")
    arrays = table.arrays([name for _, name in plan])
    columns = each(table.lazy, _under, [(part, plan) for part in arrays])
    old = table.dtypes([name for _, name in plan])
    dtypes = {new: old[name] for new, name in plan}
    form = Table.of(table.empty).arrays([n for _, n in plan])[0] if table.lazy else {}
    empty = _under(form, plan) if table.lazy else {}
    return table.assign(columns, empty, (*(name for _, name in plan), *drop), dtypes)


def _under(columns: Arrays, plan: tuple[tuple[str, str], ...]) -> Arrays:
    return {new: columns[name] for new, name in plan}
