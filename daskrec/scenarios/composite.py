"""Models made of models: parameters that are models, and methods that take what they take."""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from daskrec.params import Params

Self = TypeVar("Self", bound="Composite")


class _Default:
    """Stands for an argument that was not given."""

    def __repr__(self) -> str:
        return "PopRec()"


POP = _Default()


def default_model(given: Any) -> Any:
    """Return the model that was given; a new PopRec where none was."""
    if given is not POP:
        return given
    from daskrec.models import PopRec

    return PopRec()


class Composite(Params):
    """Parameters of a model whose parameters are models, as scikit-learn keeps them.

    ``get_params`` also returns the parameters of the models inside, under
    ``<name>__<parameter>``, and ``set_params`` takes them.
    """

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters of the constructor.

        Parameters
        ----------
        deep
            With those of the models inside.
        """
        params = super().get_params()
        if deep:
            for name, value in list(params.items()):
                if hasattr(value, "get_params"):
                    for inner, held in value.get_params().items():
                        params[f"{name}__{inner}"] = held
        return params

    def set_params(self: Self, **params: Any) -> Self:
        """Change parameters, also of the models inside; they take effect at the next ``fit``.

        Raises
        ------
        ValueError
            A name is not a parameter, or a value is not allowed.
        """
        inner: dict[str, dict[str, Any]] = {}
        for name in [name for name in params if "__" in name]:
            outer, _, rest = name.partition("__")
            inner.setdefault(outer, {})[rest] = params.pop(name)
        unknown = sorted(set(inner) - set(self._param_names()))
        if unknown:
            raise ValueError(
                f"{type(self).__name__} has no parameter {unknown}: it has {self._param_names()}"
            )
        super().set_params(**params)
        for name, values in inner.items():
            getattr(self, name).set_params(**values)
        return self

    def __repr__(self) -> str:
        defaults = inspect.signature(type(self).__init__).parameters
        changed = [
            f"{name}={value!r}"
            for name, value in self.get_params(deep=False).items()
            if value is not defaults[name].default and repr(value) != repr(defaults[name].default)
        ]
        return f"{type(self).__name__}({', '.join(changed)})"


def offer(method: Callable[..., Any], **arguments: Any) -> Any:
    """Call a method with those of the arguments that it has parameters for.

    Models of a log alone take no features, and models of users' features no items' features.
    """
    taken = inspect.signature(method).parameters
    return method(**{name: value for name, value in arguments.items() if name in taken})


def search(model: Any, borders: Any, **arguments: Any) -> dict[str, Any] | None:
    """Optimise a model; None for one that has nothing to search."""
    if borders is None and not getattr(model, "_search_space", None):
        return None
    found: dict[str, Any] | None = model.optimize(param_borders=borders, **arguments)
    return found
