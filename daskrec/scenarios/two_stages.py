"""Two stages: some models propose candidates, another one ranks them."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from daskrec.data import ids
from daskrec.data import log as logs
from daskrec.data.ids import Ids
from daskrec.data.log import Layout
from daskrec.data.once import reading_once
from daskrec.data.output import Form
from daskrec.data.paths import open_frame
from daskrec.engine.arrays import Array, Arrays
from daskrec.errors import NotFittedError, warn_caller
from daskrec.models.generations import accept_datasets
from daskrec.params import check_whole
from daskrec.scenarios import candidates, known, pair_features, routing
from daskrec.scenarios.candidates import Wanted
from daskrec.scenarios.composite import offer
from daskrec.scenarios.known import PLAIN, held
from daskrec.scenarios.pair_features import History, Sources
from daskrec.scenarios.side import model_features
from daskrec.scenarios.sources import read_sources, renewed
from daskrec.scenarios.training import training_data
from daskrec.scenarios.two_stages_setup import TwoStagesSetup

_PAIRS = 4_000_000  # candidates that are described at a time, for a log in memory


@partial(accept_datasets, plain=True)
class TwoStagesScenario(TwoStagesSetup):
    """Let models propose candidates and rank them by a classifier that learned from the past.

    ``fit`` splits the log. First-level models learn from the first part and propose
    ``num_negatives`` items that a user did not have there; a candidate that the user took in
    the second part counts 1, another 0. The re-ranker learns to tell them apart from

    * ``rel_<i>_<Model>``: the relevance of each first-level model (0 where it has none);
    * ``m_<i>_uf_<d>``, ``m_<i>_if_<d>``, ``m_<i>_fm_<d>``: vectors of user and item and their
      products, of models that have vectors and are to use them;
    * the columns of ``user_features`` and ``item_features``;
    * history features, when asked (``HistoryBasedFeaturesProcessor``).

    ``predict`` takes candidates in the same way from the log that it is given, and ranks
    them; relevance is the probability that the re-ranker gives.

    Parameters
    ----------
    train_splitter
        Splits the log: ``split(log)`` returns two parts. By default half of the rows of each
        user, drawn by key.
    first_level_models
        A model or several; ALS of rank 128 by default.
    fallback_model
        Completes candidates where the models have too few; None leaves them.
    use_first_level_models_feat
        Use the vectors of models: one answer for all of them or one for each.
    second_model_params
        Parameters of the re-ranker (scikit-learn's ``HistGradientBoostingClassifier``).
    second_model_config_path
        A JSON or YAML file of such parameters; those of ``second_model_params`` come first.
    num_negatives
        Candidates of a user in ``fit``.
    negatives_type
        ``"first_level"``: what the models propose. ``"random"``: random items, and all that
        the user took in the second part; ``predict`` asks the models all the same.
    use_generated_features
        Use history features.
    user_cat_features_list, item_cat_features_list
        Categorical columns of the features for history features.
    custom_features_processor
        Used in place of the history features: an object with ``fit(log, user_features,
        item_features)`` and ``transform(pairs)``, which returns the frame with more columns.
    seed
        Of random candidates, of the users that are sampled, and of the re-ranker.
    candidates_from
        ``"first"``: the first model proposes, the others are features alone. ``"all"``: the
        candidates of all models are united, ``num_negatives`` of each.
    num_candidates
        Candidates of a user (by each model) in ``predict``; by default ``num_negatives``.
    max_train_rows
        Rows that the re-ranker learns from at most, about: of more candidates, those of
        users drawn by key are taken.
    reranker
        A ``ReRanker`` of one's own in place of boosted trees.
    refit
        Let the models learn from the whole log when the re-ranker is fitted, so that they
        propose and score by all that is known. False leaves them as the re-ranker saw them,
        as the original does.

    Attributes
    ----------
    first_level_user_len, first_level_item_len
        Users and items of the first part of the log.
    second_stage_model
        The re-ranker.
    features_processor
        What makes generated features, or None.

    Notes
    -----
    At the end of ``fit`` the models learn from the whole log (``refit``), but for those whose
    vectors are features: another fit turns vectors around. History features stay those of the
    first part. Fit: that of each model (twice), candidates
    and features of the sampled users, and the trees; 8 bytes for each row and feature in this
    process. Predict: scores of users x candidates by every model, in parts: by ranges of
    users for a Dask log, whose result is lazy, in turns of four million candidates for one in
    memory.

    References
    ----------
    P. Covington, J. Adams and E. Sargin, Deep neural networks for YouTube recommendations,
    RecSys 2016 (candidates and ranking). G. Ke et al., LightGBM: a highly efficient gradient
    boosting decision tree, NIPS 2017 (boosting on histograms).
    """

    can_predict_item_to_item: bool = False
    first_level_user_len: int
    first_level_item_len: int

    @property
    def _fitted(self) -> Any:
        if self._sources is None:
            raise NotFittedError(f"{self} is not fitted: call fit(log) first")
        return self.first_level_models[0]._fitted

    def _asked(self) -> Any:
        _ = self._fitted
        return self.first_level_models[0]._asked()

    # ------------------------------------------------------------ fit

    @reading_once()
    def fit(
        self, log: Any, user_features: Any = None, item_features: Any = None
    ) -> "TwoStagesScenario":
        """Fit both stages.

        Parameters
        ----------
        log
            Interactions, in any kind of frame. A Dask log is read once and held.
        user_features, item_features
            Frames of features; columns of text count as categories for the second stage and
            are not shown to first-level models.

        Raises
        ------
        LogError
            A frame cannot be used, or no candidate is one that its user took later.
        """
        self._check_params()
        self._sources = None
        whole = held(log)
        first, second = (held(part) for part in self.train_splitter.split(whole))
        features = model_features(user_features, item_features)
        for model in self._all_models():
            offer(model.fit, log=first, **features)
        self._measure(first)
        self.features_processor = self._make_processor()
        if self.features_processor is not None:
            self.features_processor.fit(first, user_features, item_features)
        sources = read_sources(self, user_features, item_features)
        data = training_data(self, first, second, sources, features)
        self.second_stage_model = self._make_reranker()
        self.second_stage_model.fit(data)
        for model in self._refitted(sources):
            offer(model.fit, log=whole, **features)
        self._sources = sources
        return self

    def _refitted(self, sources: Sources) -> list[Any]:
        """Return the models that learn from the whole log at the end."""
        if not self.refit:
            return []
        last = [] if self.fallback_model is None else [self.fallback_model]
        pairs = zip(self.first_level_models, sources.vectors, strict=True)
        return [model for model, vectors in pairs if vectors is None] + last

    def _measure(self, first: Any) -> None:
        """Count the users and items of the first part."""
        from daskrec.models import PopRec

        counted = self.fallback_model
        if not isinstance(counted, PopRec):
            counted = PopRec().fit(first)
        self.first_level_user_len = counted.users_count
        self.first_level_item_len = counted.items_count

    # ------------------------------------------------------------ predict

    @reading_once()
    def predict(
        self,
        log: Any,
        k: int,
        users: Any = None,
        items: Any = None,
        user_features: Any = None,
        item_features: Any = None,
        filter_seen_items: bool = True,
        recs_file_path: Any = None,
    ) -> Any:
        """Recommend the k best of the candidates of each user.

        Arguments are those of ``HybridRecommender.predict``. Features that are not given are
        those of the fit. A user has as many rows as candidates are left, ``k`` at most.
        """
        fitted = self._fitted
        check_whole("k", k, 0)
        log = None if log is None else open_frame(log)
        layout = fitted.layout if log is None else logs.read_log(log, needs=PLAIN).layout
        chosen = known.chosen_users(self.first_level_models[0], users)
        wanted = known.chosen_items(self.first_level_models[0], items)
        form = routing.form_of(layout, *fitted.empty_ids())
        sources = renewed(self, self._sources, user_features, item_features)
        features = model_features(user_features, item_features)
        count = self.num_candidates or self.num_negatives
        lists: list[Any] = []
        for mine in self._turns(log, layout, chosen, count):
            asked = Wanted(log, count, mine, wanted, bool(filter_seen_items), features)
            lists += self._lists(asked, sources, form, int(k))
        if not form.lazy:
            self._note_unserved(chosen, log, lists)
        return routing.finish(lists, form, recs_file_path)

    def _turns(self, log: Any, layout: Layout, chosen: Ids | None, count: int) -> list[Ids | None]:
        """Return the users of each turn; a lazy log takes one, in its ranges of users."""
        if layout.partitioned:
            return [chosen]
        if chosen is None and log is None:
            chosen = self.first_level_models[0]._fitted.user_ids.whole()
        elif chosen is None:
            chosen = ids.distinct(routing.read_users(log).parts[0]["user"])
        assert chosen is not None
        step = max(1, _PAIRS // (count * len(self._candidate_models())))
        return [chosen[at : at + step] for at in range(0, max(len(chosen), 1), step)]

    def _lists(self, asked: Wanted, sources: Sources, form: Form, k: int) -> list[Any]:
        bounds = self._cuts(asked.log)
        pairs = candidates.propose(self._candidate_models(), self.fallback_model, asked, bounds)
        history = History(asked.log, asked.features, bounds)
        plain = Form(form.kind, form.part, dict(list(form.empty.items())[:2]), form.dtypes)
        frame = pair_features.describe(pairs, plain, sources, history)
        return pair_features.rank(frame, plain, self.second_stage_model, k)

    def _cuts(self, log: Any) -> Array:
        return candidates.cuts(self.first_level_models[0], log)

    def _note_unserved(self, chosen: Ids | None, log: Any, lists: Sequence[Arrays]) -> None:
        """Warn of named users for whom nothing was proposed."""
        if chosen is None:
            return
        served = [ids.distinct(part["user"]) for part in lists if len(part["user"])]
        missing = len(chosen) - (len(ids.union(served)) if served else 0)
        if missing:
            warn_caller(f"{missing} users have no candidates: there are no rows for them")

    @reading_once()
    def fit_predict(
        self,
        log: Any,
        k: int,
        users: Any = None,
        items: Any = None,
        user_features: Any = None,
        item_features: Any = None,
        filter_seen_items: bool = True,
        recs_file_path: Any = None,
    ) -> Any:
        """Fit on a log and recommend to its users; arguments as for ``predict``."""
        frame = held(log)
        self.fit(frame, user_features, item_features)
        return self.predict(
            frame,
            k,
            users,
            items,
            user_features,
            item_features,
            filter_seen_items,
            recs_file_path,
        )

    def add_features(
        self, pairs: Any, log: Any = None, user_features: Any = None, item_features: Any = None
    ) -> Any:
        """Return given pairs with the features that the second stage ranks them by.

        Parameters
        ----------
        pairs
            A frame with columns of users and items, and any others, which are left out.
        log
            The history of the users, for models that need one.
        user_features, item_features
            As for ``predict``.

        Returns
        -------
        frame
            In the kind of ``pairs``: the distinct pairs, by user and item, with columns
            ``rel_0_ALSWrap``, and so on. Lazy for a Dask frame.
        """
        parts, form, sources, history = self._given(pairs, log, user_features, item_features)
        return pair_features.describe(parts, form, sources, history)

    @reading_once()
    def predict_pairs(
        self,
        pairs: Any,
        log: Any = None,
        user_features: Any = None,
        item_features: Any = None,
        recs_file_path: Any = None,
        k: int | None = None,
    ) -> Any:
        """Score given pairs by the second stage; see ``HybridRecommender.predict_pairs``."""
        if k is not None:
            check_whole("k", k, 0)
        parts, form, sources, history = self._given(pairs, log, user_features, item_features)
        frame = pair_features.describe(parts, form, sources, history)
        lists = pair_features.rank(frame, form, self.second_stage_model, k)
        layout = logs.read_log(pairs, "pairs", PLAIN).layout
        whole = routing.form_of(layout, *self._fitted.empty_ids())
        return routing.finish(lists, whole, recs_file_path)

    def _given(
        self, pairs: Any, log: Any, user_features: Any, item_features: Any
    ) -> tuple[list[Any], Form, Sources, History]:
        fitted = self._fitted
        frame = open_frame(pairs, "pairs")
        layout = logs.read_log(frame, "pairs", PLAIN).layout
        table = routing.read_lists(frame, "pairs", score=False)
        bounds = self._cuts(frame)
        log = None if log is None else open_frame(log)
        history = History(log, model_features(user_features, item_features), bounds)
        form = pair_features.form_of(layout, fitted)
        sources = renewed(self, self._sources, user_features, item_features)
        return candidates.regroup(table, bounds), form, sources, history

    def save(self, path: Any, overwrite: bool = False) -> None:
        """Save both stages to a folder; ``daskrec.scenarios.load`` reads it."""
        from daskrec.scenarios.storage import save

        save(self, path, overwrite)
