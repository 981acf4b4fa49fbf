"""Settings of circulation."""

from __future__ import annotations

from pydantic import Field

from chassis.settings import OwnSettings

_DAYS = r"^ *[0-9]{1,3}( *, *[0-9]{1,3}){0,9} *$"


class CirculationSettings(OwnSettings):
    """The settings of circulation."""

    due_soon_days: str = Field(
        default="3, 1", pattern=_DAYS, description="calendar days before the due date on which a member is reminded"
    )
    overdue_days: str = Field(
        default="1, 7, 14, 30",
        pattern=_DAYS,
        description="calendar days after the due date on which a member is reminded of an overdue loan",
    )

    @property
    def steps(self) -> tuple[int, ...]:
        """The steps in days since the due date, in order; negative before the due date."""
        before = {-int(days) for days in self.due_soon_days.split(",") if int(days)}
        after = {int(days) for days in self.overdue_days.split(",") if int(days)}
        return tuple(sorted(before | after))
