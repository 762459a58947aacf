"""Options that change nothing in a run, because of what another one says."""

NEVER = ("use_sparse",)  # options that change nothing
# Another option's value -> the options that change nothing with it.
MOOT = {
    ("controller", "random"): (
        "controller_start", "controller_steps", "training_samples", "lstm_size", "state_size", "lstm_layers", "control_optimizer",
        "control_weight_decay", "control_lr", "baseline_decay",
        "use_variance_reduction", "entropy_weight", "temperature", "tanh_constant", "op_tanh_reduce", "op_prior", "skip_prob",
        "skip_weight",
    ),
    ("schedule", "best-candidate"): ("controller_steps", "training_samples", "num_derive"),
    ("use_variance_reduction", False): ("baseline_decay",),
    ("sampling_only", False): ("num_sampling",),
    ("evaluate_only", False): ("mirrored",),
    ("tanh_constant", None): ("op_tanh_reduce",),
    ("skip_weight", 0): ("skip_prob",),
    ("with_grad_clip_on_search", False): ("grad_clip_value", "clip_norm"),
    ("with_grad_clip_on_retrain", False): ("grad_clip_value", "clip_norm"),
    ("lr_control_on_search", False): ("lr_schedule", "child_lr_min", "restart_lr"),
    ("lr_control_on_retrain", False): ("lr_schedule", "child_lr_min", "restart_lr"),
    ("lr_schedule", "cosine"): ("restart_lr",),
    ("cutout", 0): ("cutout_anchor",),
    ("lr_decay", 1): ("lr_decay_start", "lr_decay_every", "child_lr_min"),
    ("drop_e", 0): ("word_dropout",),
    ("beta", 0): ("beta_after_dropout",),
    ("weight_decay", 0): ("decay_batch_norm",),
    ("auxiliary_head", False): ("auxiliary_form", "auxiliary_weight"),
    ("context", "cpu"): ("device_id",),
    ("context", "cudnn"): ("cpu_kernels", "cpu_precision", "cpu_threads", "recompute"),
    ("cpu_kernels", "nnabla"): ("cpu_precision", "cpu_threads", "recompute"),
    ("final_network", "shared"): ("recompute",),
    ("dataset", "cifar10"): ("image_size", "coarse"),
    ("dataset", "cifar100"): ("image_size",),
    ("dataset", "digits"): ("data_dir", "image_size", "coarse"),
    ("dataset", "folder"): ("coarse",),
    ("dataset", "npz"): ("image_size", "coarse"),
    ("dataset", "pydoc"): ("data_dir",),
}  # fmt: skip
# The same for several together, the first of which is to blame: nobody uses rewards but a controller and best-candidate.
REWARDS = ("num_candidate", "val_iter", "reward_segment", "reward_dropout")
MOOT_TOGETHER = {
    (("controller", "random"), ("schedule", "alternating")): REWARDS,
    (("training_samples", "policy"), ("controller", "lstm")): ("chance_skip_prob",),
}
# With --sampling-only: what the command decides, and what must be as in the search sampled from; other options change nothing.
SAMPLING = ("sampling_only", "num_sampling", "monitor_path", "seed", "quiet")
SAMPLED = (
    "num_layers", "num_nodes", "arc_form", "num_ops", "ops", "lstm_size", "state_size", "lstm_layers", "temperature",
    "tanh_constant", "op_tanh_reduce", "op_prior", "chance_skip_prob",
)  # fmt: skip


def reason_without_effect(key, values):
    """In words, empty where no option is to blame; None for an option with an effect; `key` is its name in `values`."""
    named = values["monitor_path"] is not None  # otherwise it is the options that tell which search is meant
    if values.get("sampling_only") and named and key not in SAMPLING + SAMPLED:
        return " (with --sampling-only)"
    alone = {(condition,): moot for condition, moot in MOOT.items()}
    for conditions, moot in (alone | MOOT_TOGETHER).items():
        if key in moot and all(name in values and values[name] == value for name, value in conditions):
            (cause, value), *_ = conditions
            return f" (with --{cause.replace('_', '-')} {value})"
    return "" if key in NEVER else None
