"""What some users had and what each model recommended to them, side by side, as HTML."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

from daskrec.report.pieces import count, key


@dataclass(frozen=True)
class Entry:
    """An item in a list.

    Parameters
    ----------
    name
        Its title, else its id.
    when
        When the user had it, where that is known.
    hit
        Whether the user had it in the test.
    found_by
        Numbers of the models that recommended it, for items of the test.
    """

    name: str
    when: str = ""
    hit: bool = False
    found_by: tuple[int, ...] = ()


@dataclass(frozen=True)
class UserLists:
    """The lists of one user.

    Parameters
    ----------
    user
        The id.
    history
        What the user had in the training, latest first, cut to what is shown.
    history_count
        How much that was in all.
    held
        What the user had in the test, cut likewise.
    held_count
        How much that was in all.
    recommended
        For each model its list.
    """

    user: str
    history: Sequence[Entry] = ()
    history_count: int = 0
    held: Sequence[Entry] = ()
    held_count: int = 0
    recommended: Sequence[Sequence[Entry]] = field(default_factory=list)


def render_lists(users: Sequence[UserLists], models: list[str], latest_first: bool) -> str:
    """Render the lists of users, one user at a time, with a menu to choose from."""
    # The page opens on the user with the most hits, so that there is something to see.
    opened = max(range(len(users)), key=lambda number: _hits(users[number]), default=0)
    options = "".join(
        f"<option{' selected' if number == opened else ''}>{escape(one.user)} "
        f"({count(_hits(one), 'hit')} at best)</option>"
        for number, one in enumerate(users)
    )
    menu = (
        '<div class="pick"><label for="user">User</label>'
        f'<select id="user" autocomplete="off">{options}</select>'
        '<button type="button" id="before" aria-label="previous user">&lsaquo;</button>'
        '<button type="button" id="after" aria-label="next user">&rsaquo;</button></div>'
    )
    views = "".join(
        _view(one, models, latest_first, shown=number == opened) for number, one in enumerate(users)
    )
    return (
        f'<div class="bar"><div><h2>Lists of single users</h2><p class="about">{len(users)} users '
        "of the test, drawn by a hash of their ids. A tick and a green field mark what the user "
        f"had in the test.</p></div>{menu}</div>{views}"
    )


def _hits(one: UserLists) -> int:
    """Return the most hits of any model."""
    return max((sum(entry.hit for entry in row) for row in one.recommended), default=0)


def _view(one: UserLists, models: list[str], latest_first: bool, *, shown: bool) -> str:
    said = f"{count(one.history_count, 'interaction')} in the training"
    order = "latest first" if latest_first else "in the order of the log"
    own = _list("Had in the training", order, one.history, one.history_count, own=True)
    own += _list(
        "Had in the test", count(one.held_count, "item"), one.held, one.held_count, own=True
    )
    lists = "".join(
        _list(
            name, count(sum(entry.hit for entry in entries), "hit"), entries, len(entries),
            series=number,
        )
        for number, (name, entries) in enumerate(zip(models, one.recommended, strict=True))
    )  # fmt: skip
    return (
        f'<div class="user"{"" if shown else " hidden"}><p class="said">User '
        f"<strong>{escape(one.user)}</strong>: {said}, {one.held_count:,} in the test.</p>"
        f'<div class="lists"><div class="own-lists">{own}</div><div>{lists}</div></div></div>'
    )


def _list(
    title: str,
    note: str,
    entries: Sequence[Entry],
    total: int,
    *,
    series: int | None = None,
    own: bool = False,
) -> str:
    symbol = "" if series is None else key(series)
    body = "".join(map(_entry, entries))
    body = f"<ol>{body}</ol>" if body else '<p class="none">nothing</p>'
    if total > len(entries):
        body += f'<p class="more">and {total - len(entries):,} more</p>'
    return (
        f'<article class="list card{" own" if own else ""}"><header>{symbol}'
        f'<h3>{escape(title)}</h3><span class="small">{escape(note)}</span></header>'
        f"{body}</article>"
    )


def _entry(entry: Entry) -> str:
    when = f'<span class="when">{escape(entry.when)}</span>' if entry.when else ""
    tick = '<span class="tick" aria-hidden="true">✓</span>' if entry.hit else ""
    said = '<span class="hidden-text"> (hit)</span>' if entry.hit else ""
    if entry.found_by:
        tick = f'<span class="who">{"".join(map(key, entry.found_by))}</span>'
        said = f'<span class="hidden-text"> (found by {len(entry.found_by)} models)</span>'
    marked = ' class="hit"' if entry.hit else ""
    return f'<li{marked}><span class="name">{escape(entry.name)}{said}</span>{tick}{when}</li>'
