"""The parameters of the two-stage scenario: defaults, checks, and the parts made of them."""

from collections.abc import Mapping, Sequence
from typing import Any

from daskrec.data.once import reading_once
from daskrec.history_features import HistoryBasedFeaturesProcessor
from daskrec.params import check_choice, check_whole
from daskrec.scenarios import known
from daskrec.scenarios.composite import POP, Composite, default_model, search
from daskrec.scenarios.pair_features import Sources
from daskrec.scenarios.reranker import BoostedTrees, read_params
from daskrec.scenarios.side import model_features

_KINDS = ("first_level", "random")


class TwoStagesSetup(Composite):
    """What the two-stage scenario is made of; it is not used by itself."""

    random_model: Any = None
    _sources: Sources | None = None

    def __init__(
        self,
        train_splitter: Any = None,
        first_level_models: Any = None,
        fallback_model: Any = POP,
        use_first_level_models_feat: bool | list[bool] = False,
        second_model_params: Mapping[str, Any] | None = None,
        second_model_config_path: Any = None,
        num_negatives: int = 100,
        negatives_type: str = "first_level",
        use_generated_features: bool = False,
        user_cat_features_list: Sequence[str] | None = None,
        item_cat_features_list: Sequence[str] | None = None,
        custom_features_processor: Any = None,
        seed: int = 123,
        *,
        candidates_from: str = "first",
        num_candidates: int | None = None,
        max_train_rows: int = 1_000_000,
        reranker: Any = None,
        refit: bool = True,
    ) -> None:
        self.train_splitter = _default_splitter() if train_splitter is None else train_splitter
        self.first_level_models = _as_list(first_level_models)
        self.fallback_model = default_model(fallback_model)
        count = len(self.first_level_models)
        use = use_first_level_models_feat
        self.use_first_level_models_feat = [use] * count if isinstance(use, bool) else use
        self.second_model_params = second_model_params
        self.second_model_config_path = second_model_config_path
        self.num_negatives = num_negatives
        self.negatives_type = negatives_type
        self.use_generated_features = use_generated_features
        self.user_cat_features_list = user_cat_features_list
        self.item_cat_features_list = item_cat_features_list
        self.custom_features_processor = custom_features_processor
        self.seed = seed
        self.candidates_from = candidates_from
        self.num_candidates = num_candidates
        self.max_train_rows = max_train_rows
        self.reranker = reranker
        self.refit = refit
        self._check_params()
        self.second_stage_model = self._make_reranker()
        self.features_processor = self._make_processor()

    def _check_params(self) -> None:
        if not self.first_level_models:
            raise ValueError("first_level_models is empty: give one model at least")
        if len(self.use_first_level_models_feat) != len(self.first_level_models):
            raise ValueError(
                "For each model from first_level_models specify "
                "a flag in use_first_level_models_feat: there are "
                f"{len(self.first_level_models)} models and "
                f"{len(self.use_first_level_models_feat)} flags"
            )
        if self.negatives_type not in _KINDS:
            raise ValueError(
                f"Invalid negatives_type value: {self.negatives_type!r}; use one of {_KINDS}"
            )
        check_choice("candidates_from", self.candidates_from, ("first", "all"))
        check_choice("refit", self.refit, (True, False))
        check_whole("num_negatives", self.num_negatives, 1)
        check_whole("max_train_rows", self.max_train_rows, 1)
        check_whole("seed", self.seed, 0)
        if self.num_candidates is not None:
            check_whole("num_candidates", self.num_candidates, 1)

    def _make_reranker(self) -> Any:
        if self.reranker is not None:
            return self.reranker
        read = read_params(self.second_model_config_path)
        return BoostedTrees({**read, **(self.second_model_params or {})}, int(self.seed))

    def _make_processor(self) -> Any:
        if self.custom_features_processor is not None or not self.use_generated_features:
            return self.custom_features_processor
        return HistoryBasedFeaturesProcessor(
            user_cat_features_list=self.user_cat_features_list,
            item_cat_features_list=self.item_cat_features_list,
        )

    @property
    def can_predict_cold_users(self) -> bool:
        """Whether users who were not in the training get recommendations."""
        return any(model.can_predict_cold_users for model in self._proposers())

    @property
    def can_predict_cold_items(self) -> bool:
        """Whether items that were not in the training are recommended."""
        return any(model.can_predict_cold_items for model in self._proposers())

    def _proposers(self) -> list[Any]:
        last = [] if self.fallback_model is None else [self.fallback_model]
        return [*self._candidate_models(), *last]

    def _candidate_models(self) -> list[Any]:
        return self.first_level_models[: 1 if self.candidates_from == "first" else None]

    def _all_models(self) -> list[Any]:
        from daskrec.models import RandomRec

        models = list(self.first_level_models)
        if self.fallback_model is not None:
            models.append(self.fallback_model)
        if self.negatives_type == "random":
            self.random_model = RandomRec(seed=self.seed)
            models.append(self.random_model)
        return models

    @reading_once()
    def optimize(
        self,
        train: Any,
        test: Any,
        user_features: Any = None,
        item_features: Any = None,
        param_borders: Sequence[Mapping[str, Any] | None] | None = None,
        criterion: Any = None,
        k: int = 10,
        budget: int = 10,
        new_study: bool = True,
        *,
        seed: int | None = None,
        n_parallel: int = 1,
    ) -> tuple[list[dict[str, Any] | None], dict[str, Any] | None]:
        """Search for the parameters of the first-level models, each by itself.

        Parameters
        ----------
        train, test
            Logs.
        user_features, item_features, k, budget, new_study, seed, n_parallel
            As for ``optimize`` of a model; the budget is that of each model.
        param_borders
            Borders for each first-level model and, after them, for the fallback model, if
            there is one: None for the space of the model, ``{}`` to leave it out. By default
            the spaces of all.
        criterion
            Precision by default: candidates are what counts.

        Returns
        -------
        tuple
            The list of the best parameters of the first-level models, and those of the
            fallback model; None for a model that was left out or has nothing to search. Call
            ``fit`` afterwards: the scenario is not fitted.
        """
        models = list(self.first_level_models)
        if self.fallback_model is not None:
            models.append(self.fallback_model)
        borders = [None] * len(models) if param_borders is None else list(param_borders)
        if len(borders) != len(models):
            raise ValueError(
                f"param_borders must be a list of {len(models)} entries, one for each "
                f"first-level model and one for the fallback model, not of {len(borders)}"
            )
        if criterion is None:
            from daskrec.metrics import Precision

            criterion = Precision()
        frame = known.held(train)
        options = {
            "criterion": criterion,
            "k": k,
            "budget": budget,
            "new_study": new_study,
            "seed": seed,
            "n_parallel": n_parallel,
            **model_features(user_features, item_features),
        }
        found = [
            None if given == {} else search(model, given, train=frame, test=test, **options)
            for model, given in zip(models, borders, strict=True)
        ]
        self._sources = None
        count = len(self.first_level_models)
        return found[:count], found[count] if len(found) > count else None


def _default_splitter() -> Any:
    from daskrec.splitters import UserSplitter

    return UserSplitter(item_test_size=0.5, shuffle=True, seed=42)


def _as_list(models: Any) -> list[Any]:
    if models is None:
        from daskrec.models import ALSWrap

        return [ALSWrap(rank=128)]
    return models if isinstance(models, list) else [models]
