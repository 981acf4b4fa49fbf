"""Rules for the values of a member together. Each rule is pure and refuses for one reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from chassis.errors import Refusal
from services.members.tables import Category

ADULT_YEARS = 18


@dataclass(frozen=True, slots=True)
class MemberInputs:
    """The data of a member that rules judge, as they will be after the act.

    member_id  "" before the member exists
    values     stored forms by field
    """

    member_id: str
    values: Mapping[str, str]
    category: Category
    today: date

    @property
    def is_child(self) -> bool:
        """Whether the member is under 18 by the birth date; without a birth date by the category."""
        born = self.values.get("birth_date", "")
        if not born:
            return self.category.kind in ("child", "pupil")
        return age_on(date.fromisoformat(born), self.today) < ADULT_YEARS


def refuse_child_without_guardian(inputs: MemberInputs) -> Refusal | None:
    """A child needs a guardian; for a pupil, school and class are enough."""
    values = inputs.values
    if inputs.category.kind == "organisation" or not inputs.is_child:
        return None
    if values.get("guardian_id") or values.get("guardian_name"):
        return None
    if inputs.category.kind == "pupil" and values.get("school") and values.get("group"):
        return None
    return Refusal("GUARDIAN_MISSING", age=ADULT_YEARS)


def refuse_organisation_without_responsible(inputs: MemberInputs) -> Refusal | None:
    """An organisation needs a responsible person."""
    if inputs.category.kind == "organisation" and not inputs.values.get("responsible_name"):
        return Refusal("RESPONSIBLE_MISSING")
    return None


def refuse_own_guardian(inputs: MemberInputs) -> Refusal | None:
    """A member cannot be their own guardian."""
    if inputs.member_id and inputs.values.get("guardian_id") == inputs.member_id:
        return Refusal("GUARDIAN_IS_THE_MEMBER")
    return None


RULES = (refuse_child_without_guardian, refuse_organisation_without_responsible, refuse_own_guardian)


def refusals(inputs: MemberInputs) -> Iterator[Refusal]:
    """Return every refusal of these rules."""
    return (refusal for rule in RULES if (refusal := rule(inputs)) is not None)


def age_on(born: date, day: date) -> int:
    """Return the age in whole years."""
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))


# Upper ends of the age bands in whole years; the last band has none.
_BANDS = (5, 12, 17, 25, 40, 60)


def age_band(birth_year: int, year: int) -> str:
    """Return the age band in a year, such as `6-12`; "" when the year of birth is unknown."""
    if not birth_year:
        return ""
    age, least = max(0, year - birth_year), 0
    for most in _BANDS:
        if age <= most:
            return f"{least}-{most}"
        least = most + 1
    return f"{least}+"
