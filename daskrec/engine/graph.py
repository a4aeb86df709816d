"""Tasks: calls that are run later, and the graphs that they are part of.

The calls of one stage share one layer of a graph. Dask's own ``delayed`` gives every call a
layer, and goes through all layers for every call: a stage of thousands of calls would take
longer to write down than to run.
"""

import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from dask._task_spec import List, Task, TaskRef
from dask.delayed import Delayed
from dask.highlevelgraph import HighLevelGraph

from daskrec.engine.device import call_on, travelling


def task(function: Callable[..., Any], *args: Any) -> Delayed:
    """Make one task. Lists among the arguments may hold other tasks."""
    return tasks(function, [args])[0]


def tasks(function: Callable[..., Any], calls: Iterable[Sequence[Any]]) -> list[Delayed]:
    """Make the tasks of a stage.

    Parameters
    ----------
    function
        A pure function at module level.
    calls
        The arguments of each call. Arguments, and what is in lists among them, may be tasks.

    Returns
    -------
    list of Delayed
        One a call.
    """
    name = f"{function.__name__.lstrip('_')}-{uuid.uuid4().hex}"
    device = travelling()  # configuration of this process does not reach the workers
    needed: dict[str, Delayed] = {}
    layer = {}
    for number, args in enumerate(calls):
        key = f"{function.__name__.lstrip('_')}-{uuid.uuid4().hex}" if number else name
        packed = [_packed(arg, needed) for arg in args]
        if device is None:
            layer[key] = Task(key, function, *packed)
        else:
            layer[key] = Task(key, call_on, device, function, *packed)
    if not layer:
        return []
    graph = _graph(name, layer, needed.values())
    return [Delayed(key, graph, layer=name) for key in layer]


def _packed(arg: Any, needed: dict[str, Delayed]) -> Any:
    """Return an argument with references in the place of tasks, which are noted."""
    if isinstance(arg, Delayed):
        needed[arg.key] = arg
        return TaskRef(arg.key)
    if isinstance(arg, list) and _holds_tasks(arg):
        return List(*(_packed(one, needed) for one in arg))
    return arg


def _holds_tasks(values: list[Any]) -> bool:
    return any(
        isinstance(one, Delayed) or (isinstance(one, list) and _holds_tasks(one)) for one in values
    )


def _graph(name: str, layer: dict[str, Task], needed: Iterable[Delayed]) -> HighLevelGraph:
    """Put a layer on top of the graphs of the tasks that it needs."""
    layers: dict[str, Any] = {}
    dependencies: dict[str, set[str]] = {}
    below: set[str] = set()
    seen: set[int] = set()
    for one in needed:
        graph = one.__dask_graph__()
        below |= set(one.__dask_layers__())
        if id(graph) not in seen:
            seen.add(id(graph))
            if not isinstance(graph, HighLevelGraph):
                graph = HighLevelGraph.from_collections(one.key, graph)
            layers |= graph.layers
            dependencies |= graph.dependencies
    return HighLevelGraph(layers | {name: layer}, dependencies | {name: below})
