"""Commands of engines against engines: what they run, how it is judged, what is printed.

::

    options, measured   options that commands share; a job that has run
    splits, dated       a log prepared as files that every engine reads, in two ways
    judge               quality of the lists that an engine wrote, by one evaluator for all
    page, plots, labels pages of results
    spark, models       the original beside daskrec, and which of its models is which of ours
    peers, families     other libraries beside daskrec
    tuned               the comparison that the original publishes, tuned for both
    scaling*, growth    how cost grows, in one process and on workers; extrapolate: and beyond
    guard*              what got slower since it was recorded
"""
