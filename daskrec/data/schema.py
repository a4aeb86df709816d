"""What the columns of a dataset are, as today's scripts of the original say it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from daskrec.errors import LogError


class FeatureType(Enum):
    """Type of a feature."""

    CATEGORICAL = "categorical"
    CATEGORICAL_LIST = "categorical_list"
    NUMERICAL = "numerical"
    NUMERICAL_LIST = "numerical_list"


class FeatureSource(Enum):
    """The frame that a feature is a column of."""

    ITEM_FEATURES = "item_features"
    QUERY_FEATURES = "query_features"
    INTERACTIONS = "interactions"


class FeatureHint(Enum):
    """What a column means to models."""

    ITEM_ID = "item_id"
    QUERY_ID = "query_id"
    RATING = "rating"
    TIMESTAMP = "timestamp"


@dataclass(frozen=True)
class FeatureInfo:
    """A column of a dataset.

    Parameters
    ----------
    column
        Its name.
    feature_type
        Its type.
    feature_hint
        What it means to models, where it is more than a feature.
    feature_source
        Its frame; a ``Dataset`` finds that by itself.
    cardinality
        Number of distinct values, of a categorical one.
    """

    column: str
    feature_type: FeatureType
    feature_hint: FeatureHint | None = None
    feature_source: FeatureSource | None = None
    cardinality: int | None = None

    def __post_init__(self) -> None:
        categorical = (FeatureType.CATEGORICAL, FeatureType.CATEGORICAL_LIST)
        if self.cardinality and self.feature_type not in categorical:
            raise ValueError(
                f"{self.column!r} is numerical, and only categories have a cardinality"
            )


class FeatureSchema(Mapping[str, FeatureInfo]):
    """The columns of a dataset, by name.

    Parameters
    ----------
    features_list
        One column, or several.

    Raises
    ------
    ValueError
        Two columns have one name, or two are ids of the same kind.
    """

    def __init__(self, features_list: FeatureInfo | Sequence[FeatureInfo]) -> None:
        given = [features_list] if isinstance(features_list, FeatureInfo) else list(features_list)
        names = [feature.column for feature in given]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"columns {twice} are in the schema twice: each is described once")
        for hint in (FeatureHint.QUERY_ID, FeatureHint.ITEM_ID):
            found = [feature.column for feature in given if feature.feature_hint is hint]
            if len(found) > 1:
                raise ValueError(f"columns {found} are all {hint.name}: there is one such column")
        self._features = dict(zip(names, given, strict=True))

    def __getitem__(self, name: str) -> FeatureInfo:
        return self._features[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._features)

    def __len__(self) -> int:
        return len(self._features)

    def __add__(self, other: "FeatureSchema") -> "FeatureSchema":
        return FeatureSchema([*self.all_features, *other.all_features])

    def __repr__(self) -> str:
        return f"FeatureSchema({self.all_features})"

    @property
    def all_features(self) -> list[FeatureInfo]:
        """All columns."""
        return list(self._features.values())

    @property
    def columns(self) -> list[str]:
        """The names of all columns."""
        return list(self._features)

    def copy(self) -> "FeatureSchema":
        """Return the same columns without cardinalities."""
        return FeatureSchema([replace(one, cardinality=None) for one in self.all_features])

    def item(self) -> FeatureInfo:
        """Return the only column.

        Raises
        ------
        ValueError
            There is another number of them.
        """
        if len(self) != 1:
            raise ValueError(f"the schema has {len(self)} columns, and item() is for one")
        return self.all_features[0]

    def subset(self, features_to_keep: Iterable[str]) -> "FeatureSchema":
        """Return the columns of some names; names that are not here are passed over."""
        kept = set(features_to_keep)
        return FeatureSchema([one for one in self.all_features if one.column in kept])

    def filter(
        self,
        column: str | None = None,
        feature_hint: FeatureHint | None = None,
        feature_source: FeatureSource | None = None,
        feature_type: FeatureType | None = None,
    ) -> "FeatureSchema":
        """Return the columns that are like all that is given."""
        asked = _asked(column, feature_hint, feature_source, feature_type)
        return FeatureSchema(
            [f for f in self.all_features if all(getattr(f, n) == v for n, v in asked.items())]
        )

    def drop(
        self,
        column: str | None = None,
        feature_hint: FeatureHint | None = None,
        feature_source: FeatureSource | None = None,
        feature_type: FeatureType | None = None,
    ) -> "FeatureSchema":
        """Return the columns that are like nothing of what is given."""
        asked = _asked(column, feature_hint, feature_source, feature_type)
        return FeatureSchema(
            [f for f in self.all_features if not any(getattr(f, n) == v for n, v in asked.items())]
        )

    @property
    def categorical_features(self) -> "FeatureSchema":
        """Columns of categories, and of lists of them."""
        return self.filter(feature_type=FeatureType.CATEGORICAL) + self.filter(
            feature_type=FeatureType.CATEGORICAL_LIST
        )

    @property
    def numerical_features(self) -> "FeatureSchema":
        """Columns of numbers, and of lists of them."""
        return self.filter(feature_type=FeatureType.NUMERICAL) + self.filter(
            feature_type=FeatureType.NUMERICAL_LIST
        )

    @property
    def interaction_features(self) -> "FeatureSchema":
        """Columns of the interactions, but the ids."""
        found = self.filter(feature_source=FeatureSource.INTERACTIONS)
        return found.drop(feature_hint=FeatureHint.ITEM_ID).drop(feature_hint=FeatureHint.QUERY_ID)

    @property
    def query_features(self) -> "FeatureSchema":
        """Columns of the features of queries."""
        return self.filter(feature_source=FeatureSource.QUERY_FEATURES)

    @property
    def item_features(self) -> "FeatureSchema":
        """Columns of the features of items."""
        return self.filter(feature_source=FeatureSource.ITEM_FEATURES)

    @property
    def query_id_feature(self) -> FeatureInfo:
        """The column of the ids of queries, which elsewhere here are users."""
        return self._hinted(FeatureHint.QUERY_ID)

    @property
    def item_id_feature(self) -> FeatureInfo:
        """The column of the ids of items."""
        return self._hinted(FeatureHint.ITEM_ID)

    @property
    def query_id_column(self) -> str:
        """Its name."""
        return self.query_id_feature.column

    @property
    def item_id_column(self) -> str:
        """Its name."""
        return self.item_id_feature.column

    @property
    def interactions_rating_column(self) -> str | None:
        """The name of the column of ratings, if there is one."""
        return self._name_of(FeatureHint.RATING)

    @property
    def interactions_timestamp_column(self) -> str | None:
        """The name of the column of times, if there is one."""
        return self._name_of(FeatureHint.TIMESTAMP)

    def _hinted(self, hint: FeatureHint) -> FeatureInfo:
        found = self.filter(feature_hint=hint)
        if not found:
            raise LogError(f"the schema has no column with the hint {hint.name}")
        return found.item()

    def _name_of(self, hint: FeatureHint) -> str | None:
        found = self.filter(feature_hint=hint)
        return found.item().column if found else None


def _asked(
    column: str | None,
    hint: FeatureHint | None,
    source: FeatureSource | None,
    kind: FeatureType | None,
) -> dict[str, object]:
    asked = {
        "column": column, "feature_hint": hint, "feature_source": source, "feature_type": kind,
    }  # fmt: skip
    return {name: value for name, value in asked.items() if value is not None}
