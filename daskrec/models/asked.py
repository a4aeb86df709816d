"""What a call asks for: which users and items, and with which histories.

Ids that a model cannot serve are left out here, counted, and told in one warning.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from daskrec.data import columns as roles
from daskrec.data import encode, frames, ids, ranges
from daskrec.data import log as logs
from daskrec.data.blocks import UserBlocks
from daskrec.data.ids import Ids, ShardedIds
from daskrec.data.log import Layout, Log, Needs
from daskrec.data.paths import open_frame
from daskrec.data.selection import read_selection
from daskrec.engine import runtime
from daskrec.engine.arrays import Array, Vector
from daskrec.engine.score import Scorer
from daskrec.engine.shared import Shared
from daskrec.errors import LogError, warn_caller


@dataclass(frozen=True)
class Catalogue:
    """The users and items of a fit, and how its log looked.

    Parameters
    ----------
    user_ids
        The users, in one shard or in many.
    item_ids
        Handle on the items.
    bounds
        The first user id of each block of the training but the first.
    layout
        Kind, names and types of the log.
    """

    user_ids: ShardedIds
    item_ids: Shared[Ids]
    bounds: Array
    layout: Layout

    @property
    def some_users(self) -> Ids:
        """The users of the first shard: they show the type of all."""
        return self.user_ids.shards[0].get()

    def empty_ids(self) -> tuple[Array, Array]:
        """Return empty arrays of the types of user ids and item ids."""
        return self.some_users.values[:0], self.item_ids.get().values[:0]


@dataclass(frozen=True)
class Items:
    """The items of a call.

    Parameters
    ----------
    ids
        Handle on the ids that item codes stand for in this call.
    candidates
        Sorted int32 codes of those that may be recommended; None for all.
    cold
        Codes of those that were not in the training, where the call names some.
    places
        The code of each item of the training, where there are cold ones.
    """

    ids: Shared[Ids]
    candidates: Vector | None = None
    cold: Vector | None = None
    places: Vector | None = None

    @property
    def cold_ids(self) -> Array:
        """The ids of the cold items."""
        assert self.cold is not None
        return self.ids.get().decode(self.cold)


class Asked:
    """Reads the arguments of one call.

    Parameters
    ----------
    model
        How errors call the model.
    catalogue
        The users and items of its fit.
    serves_cold_users, serves_cold_items
        Whether it serves users, and items, that were not in the training.
    needs_history
        Whether it serves users by the log of the call.
    weighs_history
        Whether the relevance in that log counts.
    user_column
        Name of the column of users, where no column has one of the usual names.
    """

    def __init__(
        self,
        model: str,
        catalogue: Catalogue,
        *,
        serves_cold_users: bool,
        serves_cold_items: bool,
        needs_history: bool,
        weighs_history: bool = False,
        user_column: str | None = None,
    ) -> None:
        self.model = model
        self.catalogue = catalogue
        self.serves_cold_users = serves_cold_users
        self.serves_cold_items = serves_cold_items
        self.needs_history = needs_history
        names = catalogue.layout.names
        if roles.find([names.user], "user") is None:
            user_column = names.user  # as the log of the fit calls it
        self._needs = Needs(relevance=weighs_history, user=user_column, item=names.item)
        self._notes: list[str] = []

    def warn(self) -> None:
        """Warn once, at the caller's line, of everything that was left out."""
        if self._notes:
            warn_caller(" and ".join(self._notes) + ": there are no rows for them")

    def _note(self, count: int, what: str) -> None:
        if count:
            self._notes.append(f"{count} {what}")

    def read_history(self, log: Any) -> Log | None:
        """Read the log of a call; most models need only its pairs.

        Raises
        ------
        ValueError
            There is no log, and the model needs one.
        LogError
            The log cannot be used, or its ids are of another type than those of the fit.
        """
        if log is None:
            if self.needs_history:
                raise ValueError(
                    f"log is not provided, and {self.model} needs the history of the users: "
                    "give the log"
                )
            return None
        read = log if isinstance(log, Log) else logs.read_log(log, needs=self._needs)
        if read.rows is not None and len(read.rows):
            users, items, _ = read.rows.in_place()
            ids.same_kind(self.catalogue.item_ids.get().values, items.examples())
            ids.same_kind(self.catalogue.some_users.values, users.examples())
        return read

    def choose_users(self, users: Any) -> Ids | ShardedIds | None:
        """Return the users that the call names; leave out those that cannot be served.

        Users in shards come from features that were read, and stay in them.
        """
        known = self.catalogue.user_ids
        if isinstance(users, ShardedIds):
            if len(users):
                ids.same_kind(self.catalogue.some_users.values, users.shards[0].get().values)
            return users
        chosen = read_selection(users, "user", self.catalogue.some_users)
        if chosen is None or self.serves_cold_users:
            return chosen
        found = known.encode(chosen.values) >= 0
        self._note(int((~found).sum()), "users are not known to the model")
        return chosen if found.all() else Ids(chosen.values.take(np.flatnonzero(found)))

    def choose_items(self, items: Any) -> Items:
        """Return the items that the call names; leave out those that cannot be served."""
        known = self.catalogue.item_ids.get()
        chosen = read_selection(items, "item", known)
        if chosen is None:
            return Items(self.catalogue.item_ids)
        return self._items(chosen)

    def pair_items(self, pairs: Log) -> Items:
        """Return the items of pairs. Those of lazy pairs are read where cold ones count."""
        if not self.serves_cold_items:
            return Items(self.catalogue.item_ids)
        if pairs.rows is not None:
            named = ids.distinct(pairs.rows.items)
        else:
            _, found = ranges.survey_parts(pairs.parts)
            named = ids.union([survey.items for survey in found])
        items = self._items(named if len(named) else self.catalogue.item_ids.get()[:0])
        return Items(items.ids, None, items.cold, items.places)

    def _items(self, chosen: Ids) -> Items:
        handle = self.catalogue.item_ids
        known = handle.get()
        codes = known.encode(chosen.values)
        cold = np.flatnonzero(codes < 0)
        if not self.serves_cold_items:
            self._note(len(cold), "items are not known to the model")
        if not self.serves_cold_items or not len(cold):
            return Items(handle, codes[codes >= 0].astype(np.int32))
        new = chosen.values.take(cold)
        every = ids.union([known, Ids(new)])
        return Items(
            Shared(every),
            every.encode(chosen.values).astype(np.int32),
            every.encode(new).astype(np.int32),
            every.encode(known.values).astype(np.int32),
        )

    def histories(
        self, log: Log | None, chosen: Ids | ShardedIds | None, item_ids: Ids
    ) -> UserBlocks:
        """Return the users to serve, with their histories."""
        if log is None:
            users = self.catalogue.user_ids if chosen is None else chosen
            users = ShardedIds.of(users) if isinstance(users, Ids) else users
            return encode.empty_histories(users, item_ids)
        chosen = chosen.whole() if isinstance(chosen, ShardedIds) else chosen
        blocks = encode.encode_history(log, item_ids, chosen, self.bounds(log))
        if log.rows is not None:
            self.note_idle_users(blocks, chosen is not None)
        return blocks

    def note_idle_users(self, blocks: UserBlocks, named: bool = True) -> None:
        """Count users who will have no rows, where the log lies in memory."""
        parts = [part.get() for part in blocks.parts]
        if not named and not self.serves_cold_users:
            known = self.catalogue.user_ids
            cold = sum(int((known.encode(part.user_ids.values) < 0).sum()) for part in parts)
            self._note(cold, "users of the log are not known to the model")
        if named and self.needs_history:
            idle = sum(int((np.diff(part.matrix.indptr) == 0).sum()) for part in parts)
            self._note(idle, "users have no history in the log")

    def note_unserved(self, blocks: UserBlocks, scorer: Scorer) -> None:
        """Count users whom a scorer knows nothing of, where they lie in memory."""
        parts = [part.get() for part in blocks.parts if isinstance(part, Shared)]
        count = sum(scorer.unserved(part) for part in parts)
        self._note(count, scorer.unserved_because)

    def bounds(self, *involved: Log | None) -> Array:
        """Return where to cut logs: at the bounds of the training, or finer.

        A log of many partitions may be larger than that of the training was; its own size
        is not known before it is read.
        """
        users, trained = self.catalogue.user_ids, self.catalogue.bounds
        most = max((len(log.parts) for log in involved if log is not None), default=0)
        wanted = min(most, 4 * runtime.parallelism(), len(users))
        if wanted <= len(trained) + 1 or len(users.shards) > 1:
            return trained
        cuts = np.linspace(0, len(users), wanted + 1).astype(np.int64)[1:-1]
        return self.catalogue.some_users.values.take(np.unique(cuts[cuts > 0]))

    def read_pairs(self, pairs: Any) -> Log:
        """Read a frame of pairs.

        Raises
        ------
        LogError
            It has other columns than one of users and one of items.
        """
        frame = open_frame(pairs, "pairs")
        present = frames.kind_of(frame, "pairs").columns(frame)
        found = [roles.find(present, role) for role in ("user", "item")]
        for place, name in enumerate((self._needs.user, self._needs.item)):
            if name in present:
                found[place] = found[place] or name
        if len(present) != 2 or not all(found):
            raise LogError(
                "pairs must be a dataframe with the columns of users and items alone, "
                f"such as ['user_idx', 'item_idx'], and has {present}"
            )
        return logs.read_log(frame, "pairs", self._needs)

    def pairs(
        self, wanted: Log, log: Log | None, items: Items
    ) -> tuple[UserBlocks, UserBlocks | None]:
        """Return pairs in blocks, and the histories of their users cut at the same bounds."""
        item_ids, bounds = items.ids.get(), self.bounds(wanted, log)
        if wanted.rows is not None:
            unknown = item_ids.encode(wanted.rows.items) < 0
            if not self.serves_cold_users:
                unknown |= self.catalogue.user_ids.encode(wanted.rows.users) < 0
            self._note(int(unknown.sum()), "pairs hold a user or an item not known to the model")
        blocks = encode.encode_history(wanted, item_ids, None, bounds, exact_bounds=True)
        if log is None or not self.needs_history:
            return blocks, None
        return blocks, encode.encode_history(log, item_ids, None, bounds, exact_bounds=True)
