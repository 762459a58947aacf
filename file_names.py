"""The files of a run directory by name: what a run writes there and others read or move."""

CONFIG = "config.json"
TABLE = "architectures.csv"  # every derived architecture
CONTROLLER = "controller_params.h5"
EVALUATION = "evaluation.json"  # of a retraining: what the last test showed besides the quality
WEIGHTS = "params_*.h5"  # of a retraining; in place of the star six digits or more: after how many mini-batches
CHECKPOINTS = "checkpoint"  # a folder, while the run is unfinished
LOCK = ".lock"  # while a process is in the run directory
