"""The session of Spark, under the name that scripts of the original import."""

from daskrec.spark.session import State, get_spark_session

__all__ = ["State", "get_spark_session"]
