"""What is told of the values of users: their mean, their median, all of them, an interval."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from daskrec.metrics.outcome import Evaluation


class Mode:
    """Base of the modes of a metric."""

    suffix = ""

    def of(self, result: "Evaluation", name: str, k: int) -> Any:
        """Return what the mode tells of a metric at a depth."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class Mean(Mode):
    """The mean over users."""

    def of(self, result: "Evaluation", name: str, k: int) -> float:
        """Return the mean."""
        return result.mean(name, k)


class Median(Mode):
    """The lower median over users: the value of one of them."""

    suffix = "-Median"

    def of(self, result: "Evaluation", name: str, k: int) -> float:
        """Return the median."""
        return result.median(name, k)


class PerUser(Mode):
    """A frame of the value of each user, of the kind of the recommendations.

    Its columns are that of the users, under its name, and ``value``.
    """

    suffix = "-PerUser"

    def of(self, result: "Evaluation", name: str, k: int) -> Any:
        """Return the frame."""
        return result.per_user_frame(name, k)


class ConfidenceInterval(Mode):
    """Half the width of the confidence interval of the mean.

    Parameters
    ----------
    alpha
        Probability that the interval holds the mean, between 0 and 1.

    Raises
    ------
    ValueError
        ``alpha`` is not between 0 and 1.
    """

    suffix = "-ConfidenceInterval"

    def __init__(self, alpha: float = 0.95) -> None:
        check_alpha(alpha)
        self.alpha = alpha

    def of(self, result: "Evaluation", name: str, k: int) -> float:
        """Return half the width."""
        return result.conf_interval(name, k, self.alpha)

    def __repr__(self) -> str:
        return f"ConfidenceInterval({self.alpha})"


def check_alpha(alpha: float) -> None:
    """Raise ``ValueError`` unless a probability is between 0 and 1."""
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must be between 0 and 1, not {alpha}")
