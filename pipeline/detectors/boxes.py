"""Areas of boxes."""

from pipeline.values import Box


def area(box: Box) -> float:
    """In square pixels; 0 for a box without extent."""
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def shared_area(one: Box, other: Box) -> float:
    """What lies in both."""
    return area((max(one[0], other[0]), max(one[1], other[1]), min(one[2], other[2]), min(one[3], other[3])))


def overlap(one: Box, other: Box) -> float:
    """Share of the smaller box that lies in the other, in [0, 1]."""
    return shared_area(one, other) / max(1e-9, min(area(one), area(other)))


def union_overlap(one: Box, other: Box) -> float:
    """Intersection over union, in [0, 1]."""
    shared = shared_area(one, other)
    return shared / max(1e-9, area(one) + area(other) - shared)
