"""``python -m daskrec``: the command line."""

from daskrec.cli import main

main()
