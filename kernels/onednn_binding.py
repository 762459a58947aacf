"""oneDNN (the C library `libdnnl`) through ctypes: compiled operations on raw float32 pointers, cached by shape.

Dense convolutions may multiply in bfloat16 (`set_precision`): what they read is rounded on its way in, sums stay in float32.
Nothing here knows NNabla. Importing this module loads `libgomp` and `libdnnl` and raises `OSError` when one is missing.
Shapes are logical, `(batch, channels, height, width)`, whatever the layout in memory ("NCHW" or "NHWC"); pads are
`(top, bottom, left, right)`. All operations share scratch buffers: one thread of the process may run them at a time.
"""

import contextlib
import ctypes
import functools
import os
from ctypes import byref, c_float, c_int, c_int64, c_size_t, c_void_p
from importlib import metadata

import numpy as np

from kernels.onednn_choices import HALF_WIDTH, inner_convolution_layout, preferred_average_pooling, preferred_convolution

PACKAGE = "onednn-cpu-gomp"

# Values of the enumerations in oneDNN 3's dnnl_types.h.
BFLOAT16, FLOAT32 = 2, 3
ANY, A, ABCD, ABCDE, ACDB, ABCD8B = 1, 2, 5, 6, 22, 102
TAGS = {"any": ANY, "NCHW": ABCD, "NHWC": ACDB, "blocked": ABCD8B}
FORWARD_TRAINING, BACKWARD = 64, 128
DIRECT_CONVOLUTION = 1
RELU_FROM_OUTPUT = 0x100
PAUSE_HARD = 2  # of omp.h
SLACK = 1 << 16  # bytes behind every scratch buffer, and as many again as it has: see `_room`
BINARY_ADD = 0x1FFF0
POOLING = {"max": 0x1FF, "average_with_padding": 0x2FF, "average": 0x3FF}
GLOBAL_STATISTICS, SCALE_AND_SHIFT, FUSED_RELU = 1, 2 | 4, 8
SRC, SRC_1, DST, WEIGHTS, MEAN, VARIANCE, SCALE, SHIFT = 1, 2, 17, 33, 49, 50, 51, 52
DIFF_SRC, DIFF_DST, DIFF_WEIGHTS, DIFF_SCALE, DIFF_SHIFT = 129, 145, 161, 255, 256
WORKSPACE, SCRATCHPAD = 64, 80
WRITTEN = (DST, DIFF_SRC, DIFF_WEIGHTS)
QUERY_NAME, QUERY_WORKSPACE, QUERY_SCRATCHPAD = 8, 135, 136
QUERY_LAYOUT = {SRC: 129, DIFF_SRC: 130, WEIGHTS: 131, DIFF_WEIGHTS: 132, DST: 133, DIFF_DST: 134}


class RefusedError(Exception):
    """oneDNN has no (fast) implementation of an operation for these shapes."""


def _load():
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read when libgomp loads; spinning threads starve each other
    gomp = ctypes.CDLL("libgomp.so.1", mode=ctypes.RTLD_GLOBAL)
    try:
        paths = [file.locate() for file in metadata.files(PACKAGE) or () if file.name == "libdnnl.so.3"]
    except metadata.PackageNotFoundError:
        paths = []
    if not paths:
        raise OSError(f"{PACKAGE} missing")
    library = ctypes.CDLL(str(paths[0]))
    library.dnnl_memory_set_data_handle.argtypes = [c_void_p, c_void_p]
    library.dnnl_primitive_execute.argtypes = [c_void_p, c_void_p, c_int, c_void_p]
    library.dnnl_primitive_desc_query_md.argtypes = [c_void_p, c_int, c_int]
    library.dnnl_primitive_desc_query_md.restype = c_void_p
    library.dnnl_memory_desc_equal.argtypes = [c_void_p, c_void_p]
    library.dnnl_memory_create.argtypes = [c_void_p] * 4
    library.dnnl_memory_desc_get_size.argtypes = [c_void_p]
    library.dnnl_memory_desc_get_size.restype = c_size_t
    library.dnnl_cpu_isa2str.restype = ctypes.c_char_p
    library.dnnl_version.restype = ctypes.POINTER(c_int * 3)
    return gomp, library


_gomp, _library = _load()
_set_handle, _execute = _library.dnnl_memory_set_data_handle, _library.dnnl_primitive_execute


def _check(status, what):
    if status in (2, 3):  # invalid arguments, unimplemented
        raise RefusedError(what)
    if status:
        raise RuntimeError(f"oneDNN: status {status} in {what}")


def _make(constructor, *arguments):
    """A new oneDNN object from `dnnl_<constructor>(&object, *arguments)`."""
    result = c_void_p()
    _check(getattr(_library, f"dnnl_{constructor}")(byref(result), *arguments), constructor)
    return result


_engine = _make("engine_create", c_int(1), c_size_t(0))  # the CPU
_stream = _make("stream_create", _engine, c_int(1))  # in order
_attributes = _make("primitive_attr_create")
_check(_library.dnnl_primitive_attr_set_scratchpad_mode(_attributes, 1), "scratchpad mode")  # ours, shared by all
_adding = _make("primitive_attr_clone", _attributes)  # to what the result overwrites otherwise
_sum = _make("post_ops_create")
_check(_library.dnnl_post_ops_append_sum(_sum, c_float(1), c_int(0), c_int(FLOAT32)), "sum")
_check(_library.dnnl_primitive_attr_set_post_ops(_adding, _sum), "post operations")

_INSTRUCTIONS = _library.dnnl_get_effective_cpu_isa()
_HAS_AVX2 = _INSTRUCTIONS & 0x7 == 0x7  # the narrower kernels take padded channels for values
HAS_BFLOAT16 = _INSTRUCTIONS & 0xE7 == 0xE7  # avx512_core_bf16: products of pairs of bfloat16, added to float32


def version():
    """For the record: version, instruction set and the rule that chooses implementations."""
    major, minor, patch = _library.dnnl_version().contents
    isa = _library.dnnl_cpu_isa2str(_INSTRUCTIONS).decode().removeprefix("cpu_isa_")
    return f"oneDNN {major}.{minor}.{patch}, {isa}{' in halves' if HALF_WIDTH and 'avx512' in isa else ''}"


def set_threads(count):
    """Run all later operations of the calling thread on `count` OpenMP threads; those made before keep their number."""
    global _threads
    _threads = count
    _follow(count)


def set_precision(name):
    """Have all dense convolutions that are asked for from now on multiply in "float" or "bfloat16"."""
    global _precision
    _precision = name


def _follow(count):
    """Set the number of threads of the operation that comes next: one that is compiled for two corrupts memory on three."""
    global _running
    if count != _running:
        _running = count
        _gomp.omp_set_num_threads(count)


_threads, _running, _precision = 1, None, "float"
_cached = []


def cached(function):
    """Remember the results of a function of shapes, for every number of threads and precision by itself."""

    @functools.cache
    def remember(threads, _, *arguments, **options):
        _follow(threads)
        return function(*arguments, **options)

    _cached.append(remember)
    remembered = functools.wraps(function)(lambda *arguments, **options: remember(_threads, _precision, *arguments, **options))
    remembered.cache_clear = remember.cache_clear
    return remembered


def forget():
    """Compile anew what is asked for next."""
    for function in _cached:
        function.cache_clear()


def aligned(count, dtype=np.float32):
    """A new NumPy vector of `count` elements at a multiple of 64 bytes."""
    size = count * np.dtype(dtype).itemsize
    memory = np.empty(size + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + size].view(dtype)


def _room(size):
    """Bytes to leave free behind a scratch buffer: oneDNN 3.2 writes past the end of some (tests/kernels/test_onednn_memory.py).

    The kernels that were seen to are not used any more. Another processor runs others; what nobody writes takes no memory.
    """
    return size + SLACK


class _Scratch:
    """Process-wide buffers by role: each as large as its largest user, none of which runs while another does."""

    def __init__(self):
        self._buffers, self._memories = {}, {}

    def pointer(self, role, size):
        """Address of at least `size` bytes; valid until the next operation with the same role is made."""
        buffer, needed = self._buffers.get(role), size + _room(size)
        if buffer is None or buffer.size < needed:
            buffer = self._buffers[role] = aligned(needed, np.uint8)
            for memory in self._memories.get(role, ()):
                _set_handle(memory, buffer.ctypes.data)
        return buffer.ctypes.data

    def memory(self, role, description):
        """A oneDNN memory object over the buffer of that role, which follows it when it grows."""
        pointer = self.pointer(role, _library.dnnl_memory_desc_get_size(description))
        memory = _make("memory_create", description, _engine, pointer)
        self._memories.setdefault(role, []).append(memory)
        return memory


_scratch = _Scratch()


def scratch(role, size):
    """Address of `size` bytes for a temporary result, valid until the next call for that role."""
    return _scratch.pointer(("temporary", role), size)


class _Argument(ctypes.Structure):
    _fields_ = (("index", c_int), ("memory", c_void_p))


def _arguments(pairs):
    return (_Argument * len(pairs))(*(_Argument(index, memory) for index, memory in pairs))


class Operation:
    """One compiled operation; `run` takes the addresses of its arguments in the order they were described.

    Where the implementation wants another layout than the caller's, the tensor is reordered through a scratch buffer.
    `workspace` is the number of bytes that the forward pass hands to the backward one, or 0; then that address comes last.
    """

    def __init__(self, description, arguments):
        self.name = _implementation(description)
        if self.name.startswith("ref") or "gemm:ref" in self.name:
            raise RefusedError(self.name)
        self._threads, self._handle = _threads, _make("primitive_create", description)
        self._memories, self._before, self._after = [], [], []
        pairs = [(index, self._argument(description, index, own)) for index, own in arguments.items()]
        pairs += self._extras(description)
        self._count, self._arguments = len(pairs), _arguments(pairs)

    def _argument(self, description, index, own):
        memory = _make("memory_create", own, _engine, None)
        self._memories.append(memory)
        wanted = _query(description, QUERY_LAYOUT[index]) if index in QUERY_LAYOUT else None
        if not wanted or _library.dnnl_memory_desc_equal(own, wanted):
            return memory
        inner = _scratch.memory(("layout", index), wanted)
        if index in WRITTEN:
            self._after.append(_reorder(wanted, inner, own, memory))
        else:
            self._before.append(_reorder(own, memory, wanted, inner))
        return inner

    def _extras(self, description):
        pairs = []
        needed = _query(description, QUERY_SCRATCHPAD)
        if needed and _library.dnnl_memory_desc_get_size(needed):
            pairs.append((SCRATCHPAD, _scratch.memory("scratchpad", needed)))
        needed = _query(description, QUERY_WORKSPACE)
        self.workspace = _library.dnnl_memory_desc_get_size(needed) if needed else 0
        if self.workspace:
            self._memories.append(_make("memory_create", needed, _engine, None))
            pairs.append((WORKSPACE, self._memories[-1]))
        return pairs

    def run(self, *pointers):
        """`pointers`: one address each, see above. Raises RuntimeError if oneDNN fails, RefusedError if it refuses."""
        _follow(self._threads)
        for memory, pointer in zip(self._memories, pointers, strict=True):
            _set_handle(memory, pointer)
        for reorder, arguments in self._before:
            _execute(reorder, _stream, 2, arguments)
        _check(_execute(self._handle, _stream, self._count, self._arguments), self.name)
        for reorder, arguments in self._after:
            _execute(reorder, _stream, 2, arguments)


def _query(description, what):
    answer = _library.dnnl_primitive_desc_query_md(description, what, 0)
    return c_void_p(answer) if answer else None


def _implementation(description):
    name = ctypes.c_char_p()
    _check(_library.dnnl_primitive_desc_query(description, QUERY_NAME, 0, byref(name)), "name query")
    return name.value.decode()


def _reorder(source, source_memory, target, target_memory):
    description = _make("reorder_primitive_desc_create", source, _engine, target, _engine, None)
    return _make("primitive_create", description), _arguments([(SRC, source_memory), (DST, target_memory)])


def _prefer(description, names):
    """The first of oneDNN's implementations whose name begins with one of `names`, else oneDNN's own choice."""
    if not names:
        return description
    first = _make("primitive_desc_clone", description)
    while not _implementation(description).startswith(names):
        if _library.dnnl_primitive_desc_next_impl(description):
            return first
    return description


def _vector(values):
    return (c_int64 * 12)(*values)


@functools.cache
def _layout(shape, tag, kind=FLOAT32):
    return _make("memory_desc_create_with_tag", c_int(len(shape)), _vector(shape), c_int(kind), c_int(tag))


def _channels(count):
    return _layout((count,), A)


def output_shape(shape, channels, kernel, stride, pads):
    """(batch, channels, height, width) after a window has slid over `shape`."""
    top, bottom, left, right = pads
    return (shape[0], channels, (shape[2] + top + bottom - kernel[0]) // stride[0] + 1,
            (shape[3] + left + right - kernel[1]) // stride[1] + 1)


# --- convolution ------------------------------------------------------------------------------------------------------


@cached
def convolution(direction, shape, weights, stride, pads, group, layout, adding=False):
    """Convolution without bias; weights `(out, in / group, kernel height, kernel width)`, always NNabla's order.

    direction "forward": run(x, w, y); "data": run(dy, w, dx); "weights": run(dy, x, dw). `adding`, forward only: to y.
    """
    if weights[2:] == (1, 1) and stride != (1, 1):
        raise RefusedError("oneDNN 3.2 packs the pixels first and writes past the end of its scratchpad doing it")
    key = (direction, shape, weights, stride, pads, group, layout, adding)
    if _precision == "bfloat16" and group == 1:
        with contextlib.suppress(RefusedError):
            return _convolution(*key, BFLOAT16)
    return _convolution(*key, FLOAT32)


def _convolution(direction, shape, weights, stride, pads, group, layout, adding, kind):
    """`kind`: of the numbers that are multiplied; what is written is float32."""
    result = output_shape(shape, weights[0], weights[2:], stride, pads)
    inner = inner_convolution_layout(weights, group, layout)
    if adding and inner != layout:
        raise RefusedError("the sum would be lost in a reorder")
    split, order = (weights, ABCD) if group == 1 else ((group, weights[0] // group, *weights[1:]), ABCDE)
    own_x, own_weights, own_y = _layout(shape, TAGS[layout]), _layout(split, order), _layout(result, TAGS[layout])
    tensors = {"data": (shape, TAGS[inner]), "weights": (split, ANY), "forward": (result, TAGS[inner])}
    x, w, y = (_layout(*tensor, FLOAT32 if name == direction else kind) for name, tensor in tensors.items())
    read = [_layout(*tensors[name], kind) for name in ("data", "weights")]
    window = (_vector(stride), _vector((0, 0)), _vector(pads[::2]), _vector(pads[1::2]))
    description = forward = _make("convolution_forward_primitive_desc_create", _engine, c_int(FORWARD_TRAINING),
                                  c_int(DIRECT_CONVOLUTION), *read, None, y, *window, _adding if adding else _attributes)
    arguments = {SRC: own_x, WEIGHTS: own_weights, DST: own_y}
    if direction != "forward":
        no_bias = () if direction == "data" else (None,)
        description = _make(f"convolution_backward_{direction}_primitive_desc_create", _engine, c_int(DIRECT_CONVOLUTION),
                            x, w, *no_bias, y, *window, forward, _attributes)
        rest = {WEIGHTS: own_weights, DIFF_SRC: own_x} if direction == "data" else {SRC: own_x, DIFF_WEIGHTS: own_weights}
        arguments = {DIFF_DST: own_y} | rest
    names = preferred_convolution(direction, shape[1], weights, stride, group) if (inner, kind) == ("NHWC", FLOAT32) else ()
    return Operation(_prefer(description, names), arguments)


# --- matrices and pixels ------------------------------------------------------------------------------------------------


def _strided(shape, strides):
    return _make("memory_desc_create_with_strides", c_int(len(shape)), _vector(shape), c_int(FLOAT32), _vector(strides))


@cached
def product(rows, inner, columns, a, b, c, kind=FLOAT32):
    """Matrix product, run(A, B, C): A `(rows, inner)`, B `(inner, columns)`; `kind`: of the numbers that are multiplied.

    a, b, c: floats from one row to the next, and from one column to the next.
    """
    first, second, result = _strided((rows, inner), a), _strided((inner, columns), b), _strided((rows, columns), c)
    read = (first, second) if kind == FLOAT32 else [_layout(shape, ANY, kind) for shape in ((rows, inner), (inner, columns))]
    description = _make("matmul_primitive_desc_create", _engine, *read, None, result, _attributes)
    return Operation(_prefer(description, ("gemm:jit",) if kind == FLOAT32 else ()), {SRC: first, WEIGHTS: second, DST: result})


@cached
def every_second_pixel(direction, shape):
    """Of NHWC images of even height and width, packed; direction "pack": run(images, packed), "spread": run(packed, images)."""
    n, c, height, width = shape
    some = (n, c, height // 2, width // 2)
    packed, apart = _layout(some, ACDB), _strided(some, (height * width * c, 1, 2 * width * c, 2 * c))
    source, target = (apart, packed) if direction == "pack" else (packed, apart)
    description = _make("reorder_primitive_desc_create", source, _engine, target, _engine, _attributes)
    return Operation(description, {SRC: source, DST: target})


# --- batch normalization, ReLU, pooling, sum --------------------------------------------------------------------------


@cached
def batch_normalization(direction, shape, eps, global_statistics, relu, layout):
    """forward: run(x, gamma, beta, mean, variance, y), backward: run(x, gamma, mean, variance, dy, dx, dgamma, dbeta).

    With batch statistics the forward pass writes mean and (biased) variance; backward, dy and dx may be one address.
    With `relu` there is a workspace.
    """
    x, c = _layout(shape, TAGS[layout]), _channels(shape[1])
    inner = x if layout == "NHWC" else _layout(shape, ABCD8B if shape[1] % 8 == 0 or _HAS_AVX2 else ABCD)
    flags = SCALE_AND_SHIFT | GLOBAL_STATISTICS * global_statistics | FUSED_RELU * relu
    forward = _make("batch_normalization_forward_primitive_desc_create", _engine, c_int(FORWARD_TRAINING),
                    inner, inner, c_float(eps), c_int(flags), _attributes)
    names = ("bnorm_tbb_jit",) if layout == "NHWC" else ()  # in the other one threads wait for each other spinning
    if direction == "forward":
        forward = _prefer(forward, names)
        return Operation(forward, {SRC: x, SCALE: c, SHIFT: c, MEAN: c, VARIANCE: c, DST: x})
    backward = _make("batch_normalization_backward_primitive_desc_create", _engine, c_int(BACKWARD),
                     inner, inner, inner, c_float(eps), c_int(flags), forward, _attributes)
    backward = _prefer(backward, names)
    return Operation(backward, {SRC: x, SCALE: c, MEAN: c, VARIANCE: c, DIFF_DST: x, DIFF_SRC: x, DIFF_SCALE: c,
                                DIFF_SHIFT: c})


@cached
def relu(direction, size):
    """Of a vector; forward: run(x, y), backward: run(y, dy, dx). Addresses may coincide."""
    x = _channels(size)
    numbers = (c_float(0), c_float(0))
    forward = _make("eltwise_forward_primitive_desc_create", _engine, c_int(FORWARD_TRAINING), c_int(RELU_FROM_OUTPUT),
                    x, x, *numbers, _attributes)
    if direction == "forward":
        return Operation(forward, {SRC: x, DST: x})
    backward = _make("eltwise_backward_primitive_desc_create", _engine, c_int(RELU_FROM_OUTPUT), x, x, x, *numbers,
                     forward, _attributes)
    return Operation(backward, {DST: x, DIFF_DST: x, DIFF_SRC: x})


@cached
def pooling(direction, kind, shape, kernel, stride, pads, layout):
    """forward: run(x, y), backward: run(dy, dx); kind "max" has a workspace. Kinds are the keys of `POOLING`."""
    result = output_shape(shape, shape[1], kernel, stride, pads)
    own_x, own_y = _layout(shape, TAGS[layout]), _layout(result, TAGS[layout])
    inner = ACDB if layout == "NHWC" else ABCD8B
    x, y = _layout(shape, inner), _layout(result, inner)
    window = (_vector(stride), _vector(kernel), _vector((0, 0)), _vector(pads[::2]), _vector(pads[1::2]))
    forward = _make("pooling_forward_primitive_desc_create", _engine, c_int(FORWARD_TRAINING), c_int(POOLING[kind]),
                    x, y, *window, _attributes)
    names = preferred_average_pooling(shape[1]) if kind != "max" and layout == "NHWC" else ()
    if direction == "forward":
        return Operation(_prefer(forward, names), {SRC: own_x, DST: own_y})
    backward = _make("pooling_backward_primitive_desc_create", _engine, c_int(POOLING[kind]), x, y, *window, forward,
                     _attributes)
    return Operation(_prefer(backward, names), {DIFF_DST: own_y, DIFF_SRC: own_x})


@cached
def add(size):
    """Of vectors: run(a, b, sum); the sum may lie on either."""
    x = _channels(size)
    description = _make("binary_primitive_desc_create", _engine, c_int(BINARY_ADD), x, x, x, _attributes)
    return Operation(description, {SRC: x, SRC_1: x, DST: x})


# A child has none of its parent's OpenMP threads and would wait for them: they end before, and start again when needed.
if hasattr(_gomp, "omp_pause_resource_all"):  # since GCC 9
    os.register_at_fork(before=functools.partial(_gomp.omp_pause_resource_all, PAUSE_HARD))
