"""The full code of a branch, "PKS/PST": the codes of its institution and of itself. The API knows a branch by it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from chassis.queries import CONTROL

# A branch in parameters, bodies and responses; "" for none.
BranchCode = Annotated[str, Field(max_length=100, pattern=f"^([^/{CONTROL}]+/[^/{CONTROL}]+)?$", examples=["PKS/PST"])]


def full_code(institution: str, branch: str) -> str:
    """Return the full code of a branch; "" without a branch."""
    return f"{institution}/{branch}" if branch else ""


def own_branch_code(text: str) -> str:
    """Return the code in its institution of a full code, and text without "/" unchanged.

    A gateway of release 0.5.0 sends codes without their institution. After release 0.6.0 they are refused.
    """
    return text.partition("/")[2] or text


def split_branch(text: str) -> tuple[str, str] | None:
    """Split a full code into the codes of the institution and the branch; None for other text."""
    institution, slash, branch = text.partition("/")
    return (institution, branch) if slash and institution and branch else None
