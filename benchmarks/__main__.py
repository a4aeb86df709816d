"""The command of the benchmarks."""

import argparse
import importlib
import json
import sys
from pathlib import Path
from typing import Any

TABLES = (
    "blocks",
    "gram",
    "rules",
    "topk",
    "dense",
    "als",
    "slim",
    "word2vec",
    "pop",
    "startup",
    "memory",
    "scale",
    "catalogue",
    "quality",
    "tuning",
    "metrics",
    "wrappers",
    "limit",
    "neural",
)
# Tables that take more than five minutes, or need Spark: they run where they are named.
LONG = ("strong", "neural_quality", "neural_scale", "crossing")
# Commands with options of their own, and their modules.
COMMANDS = {
    **{name: f"benchmarks.{name}" for name in ("gpu", "leaderboard", "migration", "original")},
    **{name: f"benchmarks.suite.{name}" for name in ("guard", "peers", "spark", "tuned")},
    "scaling": "benchmarks.scaling.command",
}


def main(arguments: list[str] | None = None) -> int:
    """Run tables, or one of the commands; return 1 if a goal is missed."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments and arguments[0] in COMMANDS:
        command = importlib.import_module(COMMANDS[arguments[0]])
        return int(command.main(arguments[1:]))
    options = _parser().parse_args(arguments)
    from benchmarks import data, machine

    facts = machine.facts()
    dataset = data.load(options.data)
    print(f"# Benchmarks\n\nData: {dataset.name}, {len(dataset.frame)} rows\n")
    print("\n".join(f"- {name}: {_plain(value)}" for name, value in facts.items()))
    if facts["load_at_start"] > machine.BUSY:
        print(f"- **other work runs here** (load above {machine.BUSY}): expect noise")
    records: list[dict[str, Any]] = [
        {"table": "machine", "data": dataset.name, "rounds": options.rounds, **facts}
    ]
    passed = True
    for name in options.names or TABLES:
        stolen, total = machine.busy_ticks()
        table = importlib.import_module(f"benchmarks.tables.{name}").run(dataset, options.rounds)
        stolen, total = (b - a for a, b in zip((stolen, total), machine.busy_ticks(), strict=True))
        share = stolen / total if total else 0.0
        if share > machine.STEAL:
            table.notes.append(f"{share:.1%} of the CPU time was stolen: expect noise.")
        print(f"\n{table}", flush=True)
        records += [{**record, "stolen": share} for record in table.records]
        passed &= table.passed
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text("".join(json.dumps(record) + "\n" for record in records))
    return 0 if passed or options.no_fail else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m benchmarks",
        description=__doc__,
        epilog=f"Commands with options of their own (--help): {', '.join(COMMANDS)}.",
    )
    shown = f"of {', '.join(TABLES)} (default all), and {', '.join(LONG)}"
    parser.add_argument("names", nargs="*", metavar="name", help=shown)
    parser.add_argument("--rounds", type=int, default=7, help="of each contender (default 7)")
    parser.add_argument("--data", metavar="FOLDER", help="of data sets (default $DASKREC_DATA)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write JSON lines there")
    parser.add_argument("--no-fail", action="store_true", help="exit 0 though a goal is missed")
    return parser


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {number}" for name, number in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


if __name__ == "__main__":
    sys.exit(main())
