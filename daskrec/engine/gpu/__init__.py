"""Kernels of a GPU, written against ``engine.backend``: twins of kernels of ``engine``.

Arguments and results lie on the host, but for values behind handles, which stay on the device from
one task to the next; ALS keeps all that it works on there.
"""
