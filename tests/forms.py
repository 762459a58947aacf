"""The forms of golden files: how each is recognized, and what of ours it is compared with."""

from errors import UserError
from tests.authors import controllers, images, optimizers, recurrent

FORMS = [
    (("arc", "images"), images.compare_macro_final),
    (("arc0", "images"), images.compare_macro_search),
    (("arc_normal", "images"), images.compare_micro_final),
    (("arc0_normal", "images"), images.compare_micro_search),
    (("arc", "mask_h"), recurrent.compare_language_model),
    (("sample0_arc", "skip_target"), controllers.compare_macro_controller),
    (("sample0_arc_normal",), controllers.compare_micro_controller),
    (("sample0_arc", "sample0_log_probs_each"), controllers.compare_old_recurrent_controller),
    (("w", "grad", "l2_reg"), optimizers.compare_momentum),
    (("w", "tgt"), optimizers.compare_adam),
    (("lr", "T_0"), optimizers.compare_schedule),
]


def compare_file(arrays):
    """Yield (quantity, largest relative difference) for one file's arrays. Raises UserError for an unknown form."""
    for keys, compare in FORMS:
        if all(key in arrays for key in keys):
            return compare(arrays)
    raise UserError(f"not a known form of golden data: found the arrays {', '.join(sorted(arrays)[:5])}, ...")
