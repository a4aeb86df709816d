"""Helpers for frames of Spark, under the name that today's scripts of the original import."""

from daskrec.preparation.dates import add_to_date, process_timestamp_column
from daskrec.preparation.matrix import check_numeric
from daskrec.spark.convert import convert2spark
from daskrec.statistics import get_log_info, get_stats
from daskrec.top_k import get_top_k, get_top_k_recs

__all__ = [
    "add_to_date",
    "check_numeric",
    "convert2spark",
    "get_log_info",
    "get_stats",
    "get_top_k",
    "get_top_k_recs",
    "process_timestamp_column",
]
