"""Reading MARC from a stream: frames, one a record, and what each frame says."""

from __future__ import annotations

from . import iso2709
from .faults import Bad, Fault, Frame
from .shaping import Decoded

__all__ = ["Bad", "Decoded", "Fault", "Frame", "decode"]


def decode(frame: Frame) -> Decoded:
    """The record of a frame that has no fault. Looks at nothing but the frame, so it may run in another process.

    raises  Bad  a code of faults.FAULTS
    """
    return iso2709.decode(frame.raw)
