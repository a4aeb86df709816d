"""Tables of engines against engines: what they run, how it is judged, what is printed.

::

    splits      a log prepared as files that every engine reads
    judge       quality of the lists that an engine wrote, by one evaluator for all
    models      which model of the original is which of ours, with the same hyper-parameters
    spark       the table of the original beside daskrec
"""
