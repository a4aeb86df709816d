"""Scores of fitted networks, for all users: by numpy, or by torch on a GPU."""
