"""All history features in one step."""

from collections.abc import Sequence
from typing import Any

from daskrec.data.once import reading_once
from daskrec.errors import LogError, NotFittedError
from daskrec.history_features.conditional import ConditionalPopularityProcessor
from daskrec.history_features.log_stats import LogStatFeaturesProcessor


class EmptyFeatureProcessor:
    """A processor that adds nothing."""

    def fit(self, log: Any, features: Any = None) -> "EmptyFeatureProcessor":
        """Learn nothing."""
        return self

    def transform(self, log: Any) -> Any:
        """Return the frame that was given."""
        return log


class HistoryBasedFeaturesProcessor:
    """Statistics of the log and conditional popularity, one after the other.

    Parameters
    ----------
    use_log_features
        Add the features of ``LogStatFeaturesProcessor``.
    use_conditional_popularity
        Add those of ``ConditionalPopularityProcessor``.
    user_cat_features_list
        Categorical columns of the user features; they make features of items.
    item_cat_features_list
        Categorical columns of the item features; they make features of users.

    Attributes
    ----------
    log_processor, user_cond_pop_proc, item_cond_pop_proc
        The parts; an ``EmptyFeatureProcessor`` where one is not used.
    fitted
        Whether ``fit`` was called.
    """

    def __init__(
        self,
        use_log_features: bool = True,
        use_conditional_popularity: bool = True,
        user_cat_features_list: Sequence[str] | None = None,
        item_cat_features_list: Sequence[str] | None = None,
    ) -> None:
        self.use_log_features = use_log_features
        self.use_conditional_popularity = use_conditional_popularity
        self.user_cat_features_list = user_cat_features_list
        self.item_cat_features_list = item_cat_features_list
        nothing = EmptyFeatureProcessor()
        self.log_processor: Any = LogStatFeaturesProcessor() if use_log_features else nothing
        self.user_cond_pop_proc: Any = nothing
        self.item_cond_pop_proc: Any = nothing
        if use_conditional_popularity and user_cat_features_list:
            self.user_cond_pop_proc = ConditionalPopularityProcessor(user_cat_features_list)
        if use_conditional_popularity and item_cat_features_list:
            self.item_cond_pop_proc = ConditionalPopularityProcessor(item_cat_features_list)
        self.fitted = False

    @reading_once()
    def fit(
        self, log: Any, user_features: Any = None, item_features: Any = None
    ) -> "HistoryBasedFeaturesProcessor":
        """Work the features out.

        Parameters
        ----------
        log
            Interactions: a frame of any kind, or a path.
        user_features, item_features
            Frames of features; needed where categorical columns of theirs are named.

        Raises
        ------
        LogError
            Categorical columns are named and there is no frame of them.
        """
        sides = (
            ("user", self.user_cond_pop_proc, user_features),
            ("item", self.item_cond_pop_proc, item_features),
        )
        for side, part, features in sides:
            if features is None and isinstance(part, ConditionalPopularityProcessor):
                raise LogError(
                    f"{side}_cat_features_list names columns, and there are no "
                    f"{side}_features: give a frame of them"
                )
        self.log_processor.fit(log)
        for _, part, features in sides:
            part.fit(log, features)
        self.fitted = True
        return self

    def transform(self, log: Any) -> Any:
        """Add the features to rows; see the two processors.

        Parameters
        ----------
        log
            A frame of any kind with columns of users and items and the categorical columns.

        Raises
        ------
        NotFittedError
            ``fit`` was not called.
        """
        if not self.fitted:
            raise NotFittedError("Call fit before running transform")
        joined = self.log_processor.transform(log)
        joined = self.user_cond_pop_proc.transform(joined)
        return self.item_cond_pop_proc.transform(joined)
