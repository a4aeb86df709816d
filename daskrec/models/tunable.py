"""``optimize``: every model can look for its parameters."""

from collections.abc import Mapping
from typing import Any, ClassVar

from daskrec.data.blocks import Features
from daskrec.data.once import reading_once


class Tunable:
    """The search for parameters, and the study that it leaves on the model.

    Attributes
    ----------
    study
        The Optuna study of the last ``optimize``, or None. It is saved with the model.
    """

    # What is searched by default: {"rank": {"type": "loguniform_int", "args": [8, 256]}}.
    _search_space: ClassVar[Mapping[str, Mapping[str, Any]] | None] = None
    # What is searched where ``param_borders`` names it: {"alpha": "loguniform"}.
    _search_on_request: ClassVar[Mapping[str, str]] = {}
    # Features that ``fit`` takes: "user", "item".
    _feature_roles: ClassVar[tuple[str, ...]] = ()
    # The parameter that is a seed, and whether a fit without one draws numbers of its own.
    _seed_parameter: ClassVar[str] = "seed"
    _draws_without_seed: ClassVar[bool] = True

    _study: Any = None
    _study_record: Mapping[str, Any] | None = None
    _trial_held: tuple[int, Any] | None = None

    @reading_once()
    def optimize(
        self,
        train: Any,
        test: Any,
        user_features: Any = None,
        item_features: Any = None,
        param_borders: Mapping[str, Any] | None = None,
        criterion: Any = None,
        k: int = 10,
        budget: int = 10,
        new_study: bool = True,
        *,
        seed: int | None = None,
        n_parallel: int = 1,
    ) -> dict[str, Any] | None:
        """Search for the parameters that recommend best, and leave the model fitted with them.

        A trial fits a model on ``train``, recommends k items of the training that a user did
        not have there to every user of ``test``, and rates the result. The first trial is
        that of the parameters as they are, where the space holds them and the study does not;
        the next ones are chosen by Optuna (tree-structured Parzen estimator).

        Parameters
        ----------
        train, test
            Logs, each in any kind of frame.
        user_features, item_features
            Features, for models that take them; rows of other users and items than those of
            the log at hand are left out.
        param_borders
            What is searched: for a number its lower and upper border, for a choice the list
            of its values, by name. Parameters that are not mentioned stay as they are. None
            searches the space of the model. Other parameters than those of its space can be
            searched too, where its error for an unknown name lists them.
        criterion
            A metric, its class, or any function ``(recs, test, k)`` that returns a number,
            which is to be large; NDCG by default.
        k
            Length of the lists.
        budget
            Number of trials. A combination that comes up again takes the value that it had.
        new_study
            Begin anew; False continues ``study``, and its best trial counts.
        seed
            Of the search: the same seed tries the same parameters. Models without a seed of
            their own are fitted with this one too.
        n_parallel
            Trials that run side by side, on the workers of a Dask client where there is one.
            They are chosen together, before any of them is rated: the result depends on this
            number, and not on timing.

        Returns
        -------
        dict or None
            The best parameters, those of the space that were not searched among them. The
            model has them, and the state that the best trial was fitted to. None, with a
            warning, for a model that has nothing to search.

        Raises
        ------
        ImportError
            Optuna is not installed (``pip install 'daskrec[tune]'``).
        ValueError
            Borders are no list, or not two numbers, or of an unknown parameter; no trial
            could be fitted; ``new_study=False`` continues a study with other choices.
        LogError
            A frame cannot be used.

        Notes
        -----
        Both logs are read and encoded once. Trials that fail because their parameters do not
        go together count as failed in the study, and one warning tells of them. If a call
        ends with an error, the model keeps its state, and the study its finished trials.

        References
        ----------
        J. Bergstra, R. Bardenet, Y. Bengio and B. Kégl, Algorithms for hyper-parameter
        optimization, NIPS (2011). T. Akiba et al., Optuna: a next-generation hyperparameter
        optimization framework, KDD (2019).
        """
        from daskrec.tuning.optimize import optimize

        return optimize(
            self,
            train,
            test,
            Features(user_features, item_features),
            param_borders,
            criterion,
            k,
            budget,
            new_study,
            seed,
            n_parallel,
        )

    @property
    def study(self) -> Any:
        """The Optuna study of the last ``optimize``, or None."""
        if self._study is None and self._study_record is not None:
            from daskrec.tuning.study import restore

            self._study = restore(self._study_record)
        return self._study

    @study.setter
    def study(self, study: Any) -> None:
        """Put another study in its place; ``new_study=False`` continues it."""
        self._study, self._study_record, self._trial_held = study, None, None

    def _recorded_study(self) -> dict[str, Any] | None:
        """Return the study as plain values, and the number of the trial that is held."""
        if self._study is None:
            return None if self._study_record is None else dict(self._study_record)
        from daskrec.tuning.study import record

        number = self._trial_held[0] if self._trial_held is not None else -1
        return {**record(self._study), "held": number if self._holds_trial(number) else None}

    def _take_study(self, recorded: Mapping[str, Any] | None) -> None:
        """Take a study back; it is made anew when somebody asks for it."""
        self._study_record = recorded
        if recorded is not None and recorded["held"] is not None:
            self._keep_trial(recorded["held"])

    def _keep_trial(self, number: int) -> None:
        """Note that the fitted state is that of a trial."""
        self._trial_held = number, getattr(self, "_catalogue", None)

    def _holds_trial(self, number: int) -> bool:
        """Tell whether the fitted state is that of a trial still."""
        if self._trial_held is None:
            return False
        held, catalogue = self._trial_held
        return held == number and catalogue is getattr(self, "_catalogue", None)
