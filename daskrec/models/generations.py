"""Both generations of the original's interface: logs, and datasets with their later words."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from daskrec.data.dataset import Dataset

Owner = TypeVar("Owner", bound=type)

# What the later generation calls arguments.
_LATER = {
    "dataset": "log",
    "queries": "users",
    "train_dataset": "train",
    "test_dataset": "test",
}
_CALLS = ("fit", "predict", "fit_predict", "predict_pairs", "optimize", "update")


def accept_datasets(owner: Owner, plain: bool = False) -> Owner:
    """Make the methods of a class take a ``Dataset`` and the later words.

    Parameters
    ----------
    owner
        The class, which is returned.
    plain
        Its logs are frames: it reads no ``Dataset``.
    """
    for name in _CALLS:
        method = vars(owner).get(name)
        if callable(method):
            setattr(owner, name, _accepting(method, plain))
    return owner


def _accepting(method: Callable[..., Any], plain: bool) -> Callable[..., Any]:
    signature = inspect.signature(method)

    @wraps(method)
    def call(self: Any, *args: Any, **options: Any) -> Any:
        later = options.keys() & (_LATER.keys() - signature.parameters.keys())
        if not later and not any(isinstance(one, Dataset) for one in (*args, *options.values())):
            return method(self, *args, **options)
        renamed = {_LATER[name] if name in later else name: v for name, v in options.items()}
        if len(renamed) < len(options):
            raise TypeError(f"{method.__name__} was given an argument by both of its names")
        bound = signature.bind_partial(self, *args, **renamed)
        _spread(bound.arguments, signature)
        for place in ("log", "train", "test") if plain else ("train", "test"):
            if isinstance(bound.arguments.get(place), Dataset):
                bound.arguments[place] = bound.arguments[place].log()
        return method(*bound.args, **bound.kwargs)

    return call


def _spread(given: dict[str, Any], signature: inspect.Signature) -> None:
    """Put the frames of a dataset in the places where the method looks for them."""
    places = ("log", "user_features", "train")
    first = next((name for name in places if isinstance(given.get(name), Dataset)), None)
    if first is None:
        return
    dataset: Dataset = given[first]
    if first == "user_features":
        given["log"] = dataset
    for name, role in (("user_features", "user"), ("item_features", "item")):
        if name in signature.parameters and (given.get(name) is None or given[name] is dataset):
            given[name] = dataset.features(role)


class LaterNames:
    """What the later generation calls attributes of models."""

    @property
    def fit_queries(self: Any) -> Any:
        """The users of the fit: ``fit_users``."""
        return self.fit_users

    @property
    def queries_count(self: Any) -> int:
        """Number of users of the fit: ``users_count``."""
        return int(self.users_count)

    @property
    def can_predict_cold_queries(self: Any) -> bool:
        """Whether users can be served who are not in the fit: ``can_predict_cold_users``."""
        return bool(self.can_predict_cold_users)
