"""Commands of engines against engines: what they run, how it is judged, what is printed.

::

    command, options     what these commands do, and the options that they share
    splits, dated        a log prepared as files that every engine reads, in two ways
    measured, judge      a job that has run, and what its lists are worth: one evaluator for all
    page, plots, labels  pages of results
    spark, models        the original beside daskrec, and which of its models is which of ours
    peers, families      other libraries beside daskrec
    tuned                the comparison that the original publishes, tuned for both
    guard, guard_checks  what got slower since it was recorded
"""
