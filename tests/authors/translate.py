"""From one of our parameters to the authors' TensorFlow array that holds the same thing, in our layout."""

import re

_BATCH_NORM = {"beta": "offset", "gamma": "scale", "mean": "moving_mean", "var": "moving_variance"}
_PARTS = {"depthwise": "w_depth", "pointwise": "w_point", "path1": "path1_conv/w", "path2": "path2_conv/w"}


class Translator:
    """Finds our parameter `name` in a golden file.

    `rules` are pairs (pattern of the path of our name, path of theirs as a template or function of the match). The path is
    that of a layer; what a layer is made of is called the same everywhere. `plain_averages`: pattern of the paths whose running
    statistics the authors do not zero-debias.
    """

    def __init__(self, rules, root="child/", plain_averages=None):
        self._rules, self._root, self._plain_averages = rules, root, plain_averages

    def find(self, npz, name, prefix="var/"):
        """The array for our parameter `name`, in our layout. Raises KeyError naming it if the file has none."""
        path, _, leaf = name.rpartition("/")
        if leaf in _BATCH_NORM:
            path = path.removesuffix("/bn")
            return self._array(npz, prefix, path, f"bn/{_BATCH_NORM[leaf]}").reshape(1, -1, 1, 1)
        whole, _, part = path.rpartition("/")
        if part in _PARTS:
            return weight(self._array(npz, prefix, whole, _PARTS[part]), part)
        return weight(self._array(npz, prefix, path, "w"), "dense")

    def find_batch_statistics(self, npz, name, prefix, decay):
        """The batch's mean or variance behind the running one `name` that is in the file as it was after one step."""
        after = self.find(npz, name, prefix)
        if self._plain_averages and re.match(self._plain_averages, name):
            return (after - decay * self.find(npz, name)) / (1 - decay)
        return after

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
