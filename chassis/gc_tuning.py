"""How often Python looks for garbage that holds on to itself."""

from __future__ import annotations

import gc

# Objects made and not freed between two looks at the youngest: Python's own 700 is many looks at every batch of an
# import, and 50,000 is no faster and leaves 20 MB more lying about. The older ones: after so many looks at the younger.
YOUNG, MIDDLE, OLD = 10_000, 20, 50


def settle() -> None:
    """Call when a process has loaded what it needs: that is not looked at any more, and the rest less often.

    Nearly everything here is freed when its last user lets go. Looking for what is not made an import a tenth longer.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
