"""Scripts for Spark as users of the original write them: see ``benchmarks.migration``."""
