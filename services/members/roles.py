"""Roles: named sets of scopes, read from roles.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from chassis.errors import Forbidden, Invalid
from chassis.sentences import LocalText
from services.members.settings import MembersSettings

MEMBER, MANAGER = "member", "manager"
# The roles of programs of partners, which have a plan.
PARTNERS = ("partner", "partner_members")


@dataclass(frozen=True, slots=True)
class Role:
    """One role.

    scopes         its own scopes and those of the roles that it includes
    staff          True: for staff and clients
    second_factor  True: accounts with this role sign in with a second factor
    """

    code: str
    name: LocalText
    scopes: frozenset[str]
    staff: bool
    second_factor: bool


@cache
def roles() -> dict[str, Role]:
    """Return every role by its code."""
    tables = tomllib.loads(Path(__file__).with_name("roles.toml").read_text(encoding="utf-8"))

    def scopes(code: str) -> frozenset[str]:
        own = frozenset(tables[code]["scopes"])
        return own.union(*(scopes(included) for included in tables[code].get("includes", ())))

    return {
        code: Role(
            code=code,
            name=LocalText(**table["name"]),
            scopes=scopes(code),
            staff=table.get("staff", True),
            second_factor=table.get("second_factor", False),
        )
        for code, table in tables.items()
    }


def scopes_of(codes: Iterable[str]) -> frozenset[str]:
    """Return the scopes of these roles; a role that this release does not know has none."""
    roles_by_code = roles()
    return frozenset().union(*(roles_by_code[code].scopes for code in codes if code in roles_by_code))


def needs_second_factor(codes: Sequence[str], settings: MembersSettings) -> bool:
    """Return whether an account with these roles must sign in with a second factor."""
    return always_needs_second_factor(codes) or (settings.manager_second_factor == "on" and MANAGER in codes)


def always_needs_second_factor(codes: Iterable[str]) -> bool:
    """Return whether an account with these roles needs a second factor whatever the settings are."""
    roles_by_code = roles()
    return any(roles_by_code[code].second_factor for code in codes if code in roles_by_code)


def check_grant(codes: Iterable[str], *, granter: frozenset[str] | None) -> None:
    """Check roles that are given to staff or a client.

    granter  scopes of the person who gives them; None for the operator
    raises   Invalid    ROLE_UNKNOWN
             Forbidden  ROLE_NOT_YOURS  the granter lacks a scope of the role
    """
    for code in codes:
        role = roles().get(code)
        if role is None or not role.staff:
            staff_roles = [role.code for role in roles().values() if role.staff]
            raise Invalid("ROLE_UNKNOWN", given=code[:40], known=staff_roles)
        if granter is not None and not role.scopes <= granter:
            raise Forbidden("ROLE_NOT_YOURS", role=code)
