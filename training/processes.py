"""What the loops ask of the processes that run them."""


class Processes:
    """A process on its own: every share is the whole, and what the others say is what it says itself."""

    rank, size, is_first = 0, 1, True
    threads = None  # of each on a CPU where nothing else says how many; None: the kernels choose

    def device_id(self, asked):
        """The GPU to use where the user asked for `asked`."""
        return asked

    def use(self, context):
        """Compute in NNabla's context `context`, "cpu" or "cudnn". Raises UserError when not all processes do."""

    def check_batch_size(self, batch_size):
        """Raises UserError when a mini-batch of so many rows cannot be shared out evenly."""

    def rows(self, count):
        """The slice of `count` rows that is this process's share; all shares are equal."""
        return slice(0, count)

    def share(self, array, axis=0):
        """This process's share of an array along an axis."""
        return array

    def collect(self, share, axis=0):
        """The array that `share` took the processes' shares from."""
        return share

    def average(self, arrays):
        """Replace the contents of the host's NdArrays by their means over the processes, all in one message."""

    def average_on_device(self, array):
        """The same for one NdArray in the memory of the device that `use` has named."""

    def sum(self, array):
        """The sum of the processes' NumPy arrays or numbers."""
        return array

    def map(self, function, items):
        """[function(item) for item in items] of numbers or rows of them, for at most `size` items, each in a process of its own.

        With fewer items some processes compute the last one too, so that all take the same steps.
        """
        return [function(item) for item in items]

    def agree(self, *numbers):
        """For each integer the greatest that a process gives."""
        return numbers

    def expect_same(self, text, what):
        """Raises UserError when the processes do not all give the same text."""

    def announce(self, document):
        """The JSON document that the first process gives."""
        return document

    def announce_arrays(self, arrays):
        """The dict of name -> array that the first process gives."""
        return arrays


SINGLE = Processes()
