"""Where the names of points go, so that they hide neither each other nor a point."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

Place: TypeAlias = tuple[float, float]
_REACH = (0.0, 9.0, 18.0, 28.0, 40.0)  # how far from its point a name may go
_GAP = 5.0  # between a point and its name
_HALF = 3.5  # of the mark of a point
_ACROSS, _UP = 0.6, 1.2  # of a letter and of a line, for a font of size 1
_NAME, _POINT, _OUTSIDE, _FAR = 12.0, 4.0, 40.0, 0.6  # what it costs to hide or leave them


class Box(NamedTuple):
    """A part of a plot, in points."""

    left: float
    low: float
    right: float
    high: float

    @property
    def area(self) -> float:
        """Its size; 0 where it is empty."""
        return max(self.right - self.left, 0.0) * max(self.high - self.low, 0.0)

    def shared(self, other: "Box") -> float:
        """Return the area that both cover."""
        return Box(
            max(self.left, other.left),
            max(self.low, other.low),
            min(self.right, other.right),
            min(self.high, other.high),
        ).area


def place(
    names: Mapping[str, Sequence[Place]], frame: Box, bars: Iterable[Box], size: float
) -> dict[str, tuple[Place, Box]]:
    """Return for each name the point it belongs to and where it is written.

    Parameters
    ----------
    names
        The points of each, in points of the plot.
    frame
        What names should not leave.
    bars
        What else should not be hidden.
    size
        Of the font.
    """
    marks = [
        Box(x - _HALF, y - _HALF, x + _HALF, y + _HALF) for one in names.values() for x, y in one
    ]
    marks += bars
    written: list[Box] = []
    found: dict[str, tuple[Place, Box]] = {}
    for name, points in names.items():
        ends = sorted({max(points), min(points)}, reverse=True)
        choices = [(point, box, far) for point in ends for box, far in _around(point, name, size)]

        def cost(choice: tuple[Place, Box, float]) -> float:
            _, box, far = choice
            hidden = _NAME * sum(map(box.shared, written)) + _POINT * sum(map(box.shared, marks))
            return hidden + _OUTSIDE * (box.area - box.shared(frame)) + _FAR * far

        point, box, _ = min(choices, key=cost)
        found[name] = point, box
        written.append(box)
    return found


def _around(point: Place, name: str, size: float) -> list[tuple[Box, float]]:
    """Return boxes around a point, those that one would like best first, and how far they are."""
    x, y = point
    wide, high = _ACROSS * size * len(name), _UP * size
    found = []
    for reach in _REACH:
        for up in (0.0, reach, -reach) if reach else (0.0,):
            for left in (x + _GAP + reach / 3, x - _GAP - reach / 3 - wide):
                found.append((left, y + up - high / 2, reach))
        if reach:
            found += [(x - wide / 2, y + up - high / 2, reach) for up in (reach, -reach)]
    return [(Box(left, low, left + wide, low + high), far) for left, low, far in found]
