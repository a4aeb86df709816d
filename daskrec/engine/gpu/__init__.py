"""Kernels of a GPU, written against ``engine.backend``: twins of kernels of ``engine``.

Each takes and returns numpy arrays as its twin on the CPU does, and works on the device between.
"""
