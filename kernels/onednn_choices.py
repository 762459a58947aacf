"""Which of oneDNN's implementations and layouts measured faster than its own choice, by shape and by CPU."""


def _double_pumped():
    """Whether this CPU runs a 512-bit instruction as two of 256 bits (AMD family 25, Zen 4)."""
    try:
        with open("/proc/cpuinfo") as file:
            head = file.read(4096)
    except OSError:
        return False
    return "AuthenticAMD" in head and "cpu family\t: 25\n" in head


HALF_WIDTH = _double_pumped()


def inner_convolution_layout(weights, group, layout):
    """The layout that oneDNN computes in: its own choice for NCHW, except where another one measured faster."""
    if layout == "NHWC" or (group > 1 and weights[3] > 3):
        return "NHWC"
    return "NCHW" if weights[2:] == (1, 1) and group == 1 else "any"


def preferred_convolution(direction, in_channels, weights, stride, group):
    """Implementations that measured faster than oneDNN's first choice; NHWC, Zen 4, 20 to 80 channels, 8 to 32 pixels wide.

    A wide vector that the channels do not fill wastes lanes; where it costs two halves anyhow, the narrow one wins: 36
    channels 3x3 take 15.9 instead of 19.5 ms, depthwise 0.6 instead of 1.1, with stride 2 backward 4.5 instead of 5.9.
    """
    half = HALF_WIDTH and (in_channels if direction == "data" else weights[0]) % 16 > 0
    if group > 1:
        return ("jit_dw:avx2",) if half and direction != "forward" else ("jit_dw",)
    if weights[2:] == (1, 1):
        return ("jit_1x1:avx2",) if half else ()
    if direction == "data" and stride != (1, 1):
        return ("jit:avx512",)
    return ("brgconv:avx2", "brg_fwd:avx2") if half and direction != "weights" else ()


def preferred_average_pooling(channels):
    """Vectors that the channels fill: masked stores cost more than narrow vectors (backward, 36 channels, 4.4 : 1.6 ms)."""
    return () if channels % 16 == 0 else ("jit:avx2",) if channels % 8 == 0 else ("jit:sse41",)
