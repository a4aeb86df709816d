"""How networks are trained: examples, the loop, checkpoints, processes."""
