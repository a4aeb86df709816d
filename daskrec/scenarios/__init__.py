"""Models made of models: one that fills the lists of another, and one that ranks them again."""

from typing import Any

from daskrec.scenarios.fallback_model import Fallback
from daskrec.scenarios.merging import fallback
from daskrec.scenarios.reranker import BoostedTrees, ReRanker
from daskrec.scenarios.two_stages import TwoStagesScenario

__all__ = ["BoostedTrees", "Fallback", "ReRanker", "TwoStagesScenario", "fallback", "load"]


def load(path: Any) -> Any:
    """Load a scenario, or a model, that was saved; see ``daskrec.scenarios.storage.load``."""
    from daskrec.scenarios.storage import load as load_saved

    return load_saved(path)
