"""The search for parameters: what ``optimize`` of every model does."""
