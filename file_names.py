"""The files of a run directory by name, which a run writes and others read or move; which options in it do not count."""

CONFIG = "config.json"
TABLE = "architectures.csv"  # every derived architecture
PREFERENCES = "preferences.csv"  # of the controller after each iteration: the probability of every choice
CONTROLLER = "controller_params.h5"
SPLIT = "split.csv"  # which image trains, validates, tests, where that was drawn
RETRAININGS = "retrainings.txt"  # of a search: where retrainings of what it found lie, if not inside
EVALUATION = "evaluation.json"  # of a retraining: what the last test showed besides the quality
WEIGHTS = "params_*.h5"  # of a retraining; in place of the star six digits or more: after how many mini-batches
CHECKPOINTS = "checkpoint"  # a folder, while the run is unfinished
LAST_CHECKPOINT = "last_checkpoint"  # a folder: what a finished run needs to be made longer
LOCK = ".lock"  # while a process is in the run directory
# Options in config.json that may change when a run continues: they do not change what is searched or trained, and its numbers at
# most as processes do, by the shares over which batch normalization is taken.
FREE = (
    "monitor_path", "recommended_arch", "cpu_threads", "processes", "kernels", "quiet", "checkpoint_interval", "device_id",
    "restart", "tensorboard", "on_nan", "on_nan_after", "keep_checkpoint", "recompute", "initial_weights", "evaluate_only",
)  # fmt: skip
