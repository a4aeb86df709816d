"""Kernels on arrays, and the runtime that runs them. Nothing here knows a model."""
