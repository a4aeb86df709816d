"""Tables of parts of daskrec: each a module with ``run``, which gives a table of its name."""
