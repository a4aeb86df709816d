"""Spark frames in and out; imported when the first of them arrives.

A frame of Spark is evaluated once a call. What is small comes as Arrow, what is not through Parquet
files in a folder that both sides see; above ``daskrec.collect-limit`` the files are read part by
part and never as a whole. Results go back the same way, with the types that came in.
"""

from daskrec.data.frames import register
from daskrec.spark.kinds import SparkKind, SparkPartsKind

register(SparkKind())
register(SparkPartsKind())
