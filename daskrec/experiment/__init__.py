"""Experiment: the metrics of several recommendations in one table."""

from daskrec.experiment.experiment import Experiment

__all__ = ["Experiment"]
