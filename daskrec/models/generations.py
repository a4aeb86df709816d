"""Both generations of the original's interface: logs, and datasets with their later words."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from daskrec.data.dataset import Dataset
from daskrec.data.once import undone_on_failure

Owner = TypeVar("Owner", bound=type)

# What the later generation calls arguments, and parameters of constructors.
_LATER = {
    "dataset": "log",
    "queries": "users",
    "train_dataset": "train",
    "test_dataset": "test",
}
_PARAMETERS = {"use_rating": "use_relevance", "session_column": "session_col"}
# Arguments without names, where one is a dataset.
_LISTS = ("log", "k", "users", "items", "filter_seen_items", "recs_file_path")
_ORDER = {
    "fit": ("log", "user_features", "item_features"),
    "predict": _LISTS,
    "fit_predict": _LISTS,
    "predict_pairs": ("pairs", "log", "recs_file_path", "k"),
    "optimize": ("train", "test", "param_borders", "criterion", "k", "budget", "new_study"),
    "update": ("log",),
}


def accept_datasets(owner: Owner, plain: bool = False) -> Owner:
    """Make the methods of a class take a ``Dataset`` and the later words.

    Parameters
    ----------
    owner
        The class, which is returned.
    plain
        Its logs are frames: it reads no ``Dataset``.
    """
    for name in _ORDER:
        method = vars(owner).get(name)
        if callable(method):
            setattr(owner, name, _accepting(method, plain))
    if "__init__" in vars(owner):
        setattr(owner, "__init__", _constructor(vars(owner)["__init__"]))  # noqa: B010
    return owner


def _constructor(make: Callable[..., None]) -> Callable[..., None]:
    """Return a constructor that takes the later names of parameters too."""
    known = inspect.signature(make).parameters.keys()
    later = {new: old for new, old in _PARAMETERS.items() if old in known and new not in known}
    if not later:
        return make

    @wraps(make)
    def made(self: Any, *args: Any, **options: Any) -> None:
        for name in later.keys() & options.keys():
            if later[name] in options:
                raise TypeError(f"{name!r} and {later[name]!r} are one parameter: give one")
            options[later[name]] = options.pop(name)
        make(self, *args, **options)

    return made


def _accepting(method: Callable[..., Any], plain: bool) -> Callable[..., Any]:
    signature = inspect.signature(method)

    @wraps(method)
    @undone_on_failure()
    def call(self: Any, *args: Any, **options: Any) -> Any:
        later = options.keys() & (_LATER.keys() - signature.parameters.keys())
        if not later and not any(isinstance(one, Dataset) for one in (*args, *options.values())):
            return method(self, *args, **options)
        given = _by_name(method.__name__, args, options)
        _spread(given, signature)
        for place in ("log", "train", "test") if plain else ("train", "test"):
            if isinstance(given.get(place), Dataset):
                given[place] = given[place].log()
        return method(self, **given)

    return call


def _by_name(call: str, args: tuple[Any, ...], options: dict[str, Any]) -> dict[str, Any]:
    """Return arguments by their names here; those without names are in the later order."""
    order = _ORDER[call]
    if len(args) > len(order):
        raise TypeError(f"{call}() of a dataset takes {', '.join(order)}")
    given = dict(zip(order, args, strict=False))
    for name, value in options.items():
        name = _LATER.get(name, name)
        if name in given:
            raise TypeError(f"{call}() got {name!r} twice, once by another name or place")
        given[name] = value
    return given


def _spread(given: dict[str, Any], signature: inspect.Signature) -> None:
    """Put the features of a dataset in the places where the method looks for them."""
    first = next((n for n in ("log", "train") if isinstance(given.get(n), Dataset)), None)
    if first is None:
        return
    dataset: Dataset = given[first]
    for name, role in (("user_features", "user"), ("item_features", "item")):
        if name in signature.parameters and given.get(name) is None:
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
