"""What the tests share: the list of models, logs, and frames of every kind."""
