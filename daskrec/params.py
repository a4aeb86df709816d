"""Parameters of models, splitters, filters and the like, as scikit-learn keeps them.

A constructor stores its arguments under their names and does nothing else but check them,
so that ``get_params``, ``set_params`` and ``sklearn.base.clone`` work.
"""

import inspect
from typing import Any, TypeVar

Self = TypeVar("Self", bound="Params")
_LONGEST = 1000  # characters of a parameter


class Params:
    """``get_params`` and ``set_params`` for classes whose constructor stores its arguments."""

    @classmethod
    def _param_names(cls) -> list[str]:
        signature = inspect.signature(cls.__init__)
        return [name for name in signature.parameters if name != "self"]

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters of the constructor.

        Parameters
        ----------
        deep
            Accepted as in scikit-learn; see ``scenarios`` for models with models inside.
        """
        return {name: getattr(self, name) for name in self._param_names()}

    def set_params(self: Self, **params: Any) -> Self:
        """Change parameters; they take effect at the next ``fit``.

        Raises
        ------
        ValueError
            A name is not a parameter, or a value is not allowed; nothing is changed then.
        """
        unknown = sorted(set(params) - set(self._param_names()))
        if unknown:
            raise ValueError(
                f"{type(self).__name__} has no parameter {unknown}: it has {self._param_names()}"
            )
        before = self.get_params()
        try:
            for name, value in params.items():
                setattr(self, name, value)
            self._check_params()
        except (TypeError, ValueError):
            for name, value in before.items():
                setattr(self, name, value)
            raise
        return self

    def _check_params(self) -> None:
        """Raise ValueError for parameters that are not allowed."""

    def __repr__(self) -> str:
        defaults = {
            name: parameter.default
            for name, parameter in inspect.signature(type(self).__init__).parameters.items()
        }
        changed = [
            f"{name}={_shown(value)}"
            for name, value in self.get_params().items()
            if not _equal(value, defaults[name])
        ]
        return f"{type(self).__name__}({', '.join(changed)})"

    def __str__(self) -> str:
        return type(self).__name__


def _equal(value: Any, default: Any) -> bool:
    """Tell whether a parameter has its default value; arrays and frames never have."""
    if value is default:
        return True
    return default is not None and bool(value == default)


def _shown(value: Any) -> str:
    """Return a parameter as text: of what takes many lines, the type alone."""
    text = repr(value)
    return text if len(text) <= _LONGEST and "\n" not in text else f"<{type(value).__name__}>"


def check_whole(name: str, value: Any, least: int) -> None:
    """Raise unless a parameter is a whole number of at least ``least``."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or value < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, not {value!r}")


def check_number(name: str, value: Any, least: float) -> None:
    """Raise unless a parameter is a finite number of at least ``least``."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value < 1e308:
        raise ValueError(f"{name} must be a number of at least {least}, not {value!r}")


def check_choice(name: str, value: Any, choices: "tuple[Any, ...]") -> None:
    """Raise unless a parameter is one of a few values."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {list(choices)}, not {value!r}")


def check_plain(name: str, value: Any) -> None:
    """Raise unless a parameter is None, a bool, a number or a string, which can be saved."""
    if not isinstance(value, bool | int | float | str | None):
        raise ValueError(f"{name} must be None, a bool, a number or a string, not {value!r}")
