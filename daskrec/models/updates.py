"""Models that take more interactions without the old ones: ``update``."""

from typing import Any, ClassVar, TypeVar

from daskrec.data import history
from daskrec.data.blocks import Interactions
from daskrec.data.history import History
from daskrec.data.log import Layout, Log
from daskrec.engine import config
from daskrec.engine.shared import Shared
from daskrec.models.asked import Catalogue
from daskrec.models.base import BaseRecommender

Model = TypeVar("Model", bound="Updatable")


class Updatable(BaseRecommender):
    """A model whose state follows from counts, which more interactions can be added to."""

    # Parameters that matter after the fit alone: they may change before an update.
    _late_params: ClassVar[frozenset[str]] = frozenset()

    def update(self: Model, log: Any) -> Model:
        """Learn from more interactions, as a fit on the old and the new ones would.

        Parameters
        ----------
        log
            The new interactions alone, in any form that ``fit`` takes. They may bring new
            users and items, and may repeat pairs of the old ones.

        Returns
        -------
        self
            The model in the state of a fit on both logs together.

        Raises
        ------
        NotFittedError
            There was no fit yet.
        ValueError
            Parameters that the fit depends on were changed since, or the model was fitted
            while ``daskrec.keep-history`` was off.
        LogError
            The log cannot be used; the model stays as it was.

        Notes
        -----
        Where counts add up, the cost is that of the new log alone. Where they depend on who
        had what, the model keeps the encoded interactions (4 bytes each, 8 with relevance;
        ``daskrec.keep-history``), and the cost is that of a fit without reading the old log.
        """
        fitted = self._fitted
        self._check_params()
        self._refuse_other_params()
        read = self._read_log(log)
        self._update(read, joint_layout(fitted.layout, read.layout))
        return self

    def _update(self, log: Log, layout: Layout) -> None:
        data = self._extended(log)
        users, items = data.user_ids, Shared(data.item_ids)
        self._learn(data, Catalogue(users, items, data.bounds, layout))

    def _extended(self, log: Log) -> Interactions:
        """Return the kept interactions with those of a log."""
        if self._history is None:
            raise ValueError(
                f"{self} does not hold the interactions that an update needs: it was fitted "
                "while daskrec.keep-history was off. Fit it on the old and the new log together"
            )
        return history.extend(log, self._history, self._fitted.item_ids.get())

    def _learn(self, data: Interactions, catalogue: Catalogue) -> None:
        before = self._history
        super()._learn(data, catalogue)
        if before is not None and not self._serves_history:
            before.release()

    @property
    def _keeps_relevance(self) -> bool:
        """Whether the counts read relevance; what they do not read is not kept."""
        return False

    def _keep(self, data: Interactions) -> History | None:
        if not config.get("keep-history"):
            return None
        return History.of(data, relevance=self._keeps_relevance, repeats=False)

    def _refuse_other_params(self) -> None:
        before = self._learned_with
        assert before is not None  # it is fitted
        changed = sorted(
            name
            for name, value in self.get_params().items()
            if name not in self._late_params and value != before[name]
        )
        if changed:
            raise ValueError(
                f"{changed} of {self} changed since the fit, so that old and new counts differ: "
                "fit it on the old and the new log together"
            )


def joint_layout(old: Layout, new: Layout) -> Layout:
    """Return the layout of the fit; a type of ids that both do not share is left open."""
    return Layout(
        old.kind,
        old.names,
        old.user if old.user == new.user else None,
        old.item if old.item == new.item else None,
        old.part,
    )
