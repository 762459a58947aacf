"""What a policy decides on its way to an architecture."""

from dataclasses import dataclass

SKIP = "skip connection"  # the kind of the decisions between no and yes, of which a record keeps the yes


@dataclass(frozen=True)
class Decision:
    """One choice between `options` (names): of a kind, as "operation", at a place, as "layer 3". A space lists its decisions in
    the order in which its controller draws them. `None` in place of a name: what a record leaves out.
    """

    kind: str
    place: str
    options: tuple
