"""How cost grows: ``python -m benchmarks scaling``.

::

    command      runs jobs and prints the tables
    plan         sizes, models and how far each goes; writes the generated logs
    job          what a job runs, in a process of its own
    cluster      its workers, and what can be read from them
    tables       of records: costs, exponents, what two workers gain, what Dask costs
    growth       an exponent and how well it fits
    extrapolate  what more rows would take on more workers
"""
