"""One run from its options to its end: composition, run directory, checkpoints, processes, device."""
