"""From one of our parameters to the authors' TensorFlow array that holds the same thing, in our layout."""

import re

_BATCH_NORM = {"beta": "offset", "gamma": "scale", "mean": "moving_mean", "var": "moving_variance"}


class Translator:
    """Finds our parameter `name` in a golden file.

    `rules` are pairs (pattern of the path of our name, path of theirs as a template or function of the match). Our last part is
    a weight `W`, or one of a batch normalization's `beta`, `gamma`, `mean`, `var`.
    """

    def __init__(self, rules, root="child/"):
        self._rules, self._root = rules, root

    def find(self, npz, name, prefix="var/"):
        """The array for our parameter `name`, in our layout. Raises KeyError naming it if the file has none."""
        path, _, leaf = name.rpartition("/")
        if leaf in _BATCH_NORM:
            path = path.removesuffix("/bn")
            return self._array(npz, prefix, path, f"bn/{_BATCH_NORM[leaf]}").reshape(1, -1, 1, 1)
        for kind in ("depthwise", "pointwise"):
            if path.endswith("/" + kind):
                path, theirs = path.removesuffix("/" + kind), f"w_{kind[:5]}"
                return weight(self._array(npz, prefix, path, theirs), kind)
        return weight(self._array(npz, prefix, path, "w"), "dense")

    def _array(self, npz, prefix, path, leaf):
        return npz[f"{prefix}{self._root}{self._path(path)}/{leaf}:0"]

    def _path(self, path):
        for pattern, theirs in self._rules:
            match = re.fullmatch(pattern, path)
            if match:
                return theirs(match) if callable(theirs) else match.expand(theirs)
        raise KeyError(f"no rule for our parameter path {path}")


def weight(array, kind):
    """TensorFlow's weight in NNabla's layout: convolutions (out, in / group, kh, kw); affine stays (in, out)."""
    if kind == "depthwise":  # [kh, kw, channels, 1]
        return array.transpose(2, 3, 0, 1)
    if kind == "pointwise" and array.ndim == 2:  # macro's shared weights: [out, in]
        return array[:, :, None, None]
    return array.transpose(3, 2, 0, 1) if array.ndim == 4 else array
