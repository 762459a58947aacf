"""The files of a run directory by name: what a run writes there and reports read."""

CONFIG = "config.json"
TABLE = "architectures.csv"  # every derived architecture
CONTROLLER = "controller_params.h5"
EVALUATION = "evaluation.json"  # of a retraining: what the last test showed besides the quality
