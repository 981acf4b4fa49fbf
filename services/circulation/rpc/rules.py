"""RPCs for the lending rules: policies, calendars and reports."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import date
from typing import Any

import grpc
from google.protobuf.json_format import MessageToDict
from sqlalchemy.orm import Session

from chassis import clock, rpc
from chassis.branches import full_code
from chassis.context import Context, system
from chassis.database.db import Database
from chassis.errors import Invalid
from chassis.ids import parse_id
from chassis.rpc import timestamp
from chassis.rpc.methods import reads
from rangkiang.circulation.v1 import loans_pb2
from rangkiang.circulation.v1 import rules_pb2 as wire
from rangkiang.common.v1 import text_pb2
from services.circulation.calendars import Calendar, Closing, local_date, week_at
from services.circulation.calendars.documents import YEARS, write_calendar, write_week
from services.circulation.calendars_store import calendar_of, save_calendar
from services.circulation.institutions import branch_of, branches_of
from services.circulation.loans.closings import MovedLoan, move_due_days
from services.circulation.opening_hours import list_opening_hours
from services.circulation.policies import NAMES, PolicyRow, PolicySet, read_rows
from services.circulation.policies_store import (
    check_policies,
    current_policies,
    own_rows,
    policy_versions,
    save_policies,
    saved_policies,
)
from services.circulation.reports import count_lending, preview_policies

# The package `holidays` marks dates without a decree like this.
# The package says "Hari kedua dari Hari Raya Idul Fitri"; people say "Hari kedua Idul Fitri".
_SECOND_DAY = re.compile(r"^Hari kedua dari Hari Raya ")
_ESTIMATED = re.compile(r" \((?:perkiraan|estimated)\)")
_LANGUAGES = {"en": "en_US"}
OPENING_HOURS = system("opening-hours")
MOST_MOVED = 500  # loans in a reply


class RuleMethods:
    """The part of the servicer that reads and saves policies and calendars."""

    _database: Database

    @reads
    def GetPolicies(self, request: wire.GetPoliciesRequest, session: Session, caller: Context) -> wire.GetPoliciesReply:
        institution_id = parse_id(caller.institution)
        if request.version:
            policies = saved_policies(session, institution_id, request.version)
        else:
            policies = current_policies(session, institution_id)
        institution = branches_of(session, institution_id).institution
        return wire.GetPoliciesReply(policies=_policies_message(policies, institution))

    @reads
    def ListPolicyVersions(
        self, _request: wire.ListPolicyVersionsRequest, session: Session, caller: Context
    ) -> wire.ListPolicyVersionsReply:
        return wire.ListPolicyVersionsReply(
            versions=[
                wire.PolicyVersion(
                    version=row.version,
                    saved_at=timestamp(row.saved_at),
                    saved_by=row.saved_by,
                    rows=len(json.loads(row.rows)),
                )
                for row in policy_versions(session, parse_id(caller.institution))
            ]
        )

    def PutPolicies(self, request: wire.PutPoliciesRequest, context: grpc.ServicerContext) -> wire.PutPoliciesReply:
        caller = rpc.context(context)
        institution_id = parse_id(caller.institution)
        version, default_category = request.policies.version, request.policies.default_category
        rows = _rows(request.policies.rows)
        values: dict[str, Any] = {"version": version, "rows": rows, "default_category": default_category}
        if request.is_dry_run:
            with self._database.reading(caller) as session:
                current = check_policies(session, institution_id, **values)
                after = own_rows(session, institution_id, rows)
                preview = preview_policies(session, institution_id, before=current.rows, after=after)
                institution = branches_of(session, institution_id).institution
            judged = PolicySet(version, after, default_category)
            return wire.PutPoliciesReply(
                policies=_policies_message(judged, institution), preview=wire.PolicyPreview(**asdict(preview))
            )
        with self._database.transaction(caller) as session:
            saved = save_policies(session, institution_id, **values, context=caller)
            institution = branches_of(session, institution_id).institution
        return wire.PutPoliciesReply(policies=_policies_message(saved, institution))

    @reads
    def GetCalendar(self, request: wire.GetCalendarRequest, session: Session, caller: Context) -> wire.GetCalendarReply:
        branch = branch_of(session, parse_id(caller.institution), request.branch)
        return wire.GetCalendarReply(calendar=_calendar_message(request.branch, calendar_of(session, branch.id)))

    def PutCalendar(self, request: wire.PutCalendarRequest, context: grpc.ServicerContext) -> wire.PutCalendarReply:
        caller = rpc.context(context)
        document, version = _calendar_document(request.calendar), request.calendar.version
        with self._database.transaction(caller) as session:
            branch = branch_of(session, parse_id(caller.institution), request.calendar.branch)
            branch_id = branch.id
            calendar = save_calendar(session, branch, version=version, document=document, context=caller)
        moved = move_due_days(self._database, branch_id, caller=caller)
        return wire.PutCalendarReply(
            calendar=_calendar_message(request.calendar.branch, calendar),
            moved=[_moved_message(loan) for loan in moved[:MOST_MOVED]],
            moved_total=len(moved),
        )

    def ProposeHolidays(
        self, request: wire.ProposeHolidaysRequest, context: grpc.ServicerContext
    ) -> wire.ProposeHolidaysReply:
        closings = _propose_holidays(request.year, language=rpc.context(context).language)
        days = write_calendar(Calendar(zone="", closings=tuple(closings)))["closed"]
        return wire.ProposeHolidaysReply(closed=[wire.Closing(**closing) for closing in days])

    @reads
    def ListBranches(
        self, _request: wire.ListBranchesRequest, session: Session, caller: Context
    ) -> wire.ListBranchesReply:
        branches = [
            wire.Branch(
                code=branch.full_code, name=text_pb2.LocalText(id=branch.name.id, en=branch.name.en), zone=branch.zone
            )
            for branch in branches_of(session, parse_id(caller.institution)).all
        ]
        return wire.ListBranchesReply(branches=branches)

    def ListOpeningHours(
        self, request: wire.ListOpeningHoursRequest, _context: grpc.ServicerContext
    ) -> wire.ListOpeningHoursReply:
        # Hours are public, and a reader belongs to no institution.
        with self._database.reading(OPENING_HOURS) as session:
            hours, cursor = list_opening_hours(
                session,
                request.institution,
                branches=request.branches,
                first=getattr(request, "from"),
                days=request.days,
                cursor=request.cursor,
            )
        return wire.ListOpeningHoursReply(branches=hours, cursor=cursor)

    @reads
    def ReportLending(
        self, request: wire.ReportLendingRequest, session: Session, caller: Context
    ) -> wire.ReportLendingReply:
        counts = count_lending(
            session, parse_id(caller.institution), first=getattr(request, "from"), last=request.to, by=request.by
        )
        return wire.ReportLendingReply(counts=[wire.LendingCount(**asdict(count)) for count in counts])


def _propose_holidays(year: int, *, language: str) -> list[Closing]:
    """Return the public holidays and joint leave days (cuti bersama) of a year, each as a closing of one day.

    They come from the package `holidays`. The government decrees a year's days in the autumn before. Until then dates
    of lunar calendars are estimates, and joint leave days are missing.

    raises  Invalid  CALENDAR_YEAR_INVALID
    """
    if year not in YEARS:
        raise Invalid("CALENDAR_YEAR_INVALID", field="year", given=year, first=YEARS[0], last=YEARS[-1])
    from holidays import country_holidays  # a third of a second, for one call a year

    days: dict[date, str] = country_holidays(
        "ID", years=year, categories=("public", "government"), language=_LANGUAGES.get(language, "id")
    )
    return [
        Closing(day, day, _holiday_name(name), is_estimated=_ESTIMATED.search(name) is not None)
        for day, name in sorted(days.items())
    ]


def _holiday_name(name: str) -> str:
    return _SECOND_DAY.sub("Hari kedua ", _ESTIMATED.sub("", name))


def policy_row_message(row: PolicyRow, institution: str) -> loans_pb2.PolicyRow:
    """Return the message of a policy row of an institution, by its code."""
    values = asdict(row)
    values["branch"] = full_code(institution, row.branch)
    values["last_due_on"] = row.last_due_on.isoformat() if row.last_due_on else ""
    sentence = row.not_for_loan_sentence
    values["not_for_loan_sentence"] = text_pb2.LocalText(id=sentence.id, en=sentence.en)
    values["inherits"] = sorted(row.inherits)
    return loans_pb2.PolicyRow(**values)


def _policies_message(policies: PolicySet, institution: str) -> wire.Policies:
    rows = [policy_row_message(row, institution) for row in policies.rows]
    return wire.Policies(version=policies.version, rows=rows, default_category=policies.default_category)


def _rows(messages: Iterable[loans_pb2.PolicyRow]) -> tuple[PolicyRow, ...]:
    """Read rows from their messages, without the values that they inherit.

    raises  Invalid  POLICY_VALUE_INVALID  a date is invalid
    """
    documents = []
    for message in messages:
        sentence = message.not_for_loan_sentence
        document = {name: getattr(message, name) for name in NAMES - set(message.inherits)}
        if "not_for_loan_sentence" in document:
            document["not_for_loan_sentence"] = {"id": sentence.id, "en": sentence.en}
        documents.append(document)
    return read_rows(documents)


def _calendar_message(branch: str, calendar: Calendar) -> wire.Calendar:
    document = write_calendar(calendar)
    return wire.Calendar(
        branch=branch,
        version=calendar.version,
        zone=calendar.zone,
        weekly=_weekdays(write_week(week_at(calendar.weeks, local_date(calendar, clock.now())))),
        weeks=[wire.DatedWeek(**{**week, "weekly": _weekdays(week["weekly"])}) for week in document["weeks"]],
        closed=[wire.Closing(**closing) for closing in document["closed"]],
        seasons=[wire.Season(**{**season, "weekly": _weekdays(season["weekly"])}) for season in document["seasons"]],
        confirmed_years=calendar.confirmed_years,
    )


def _moved_message(loan: MovedLoan) -> wire.MovedLoan:
    return wire.MovedLoan(
        loan_id=str(loan.loan_id),
        member_id=str(loan.member_id or ""),
        card=loan.card,
        barcode=loan.barcode,
        title=loan.title,
        was_due_on=loan.was_due_on.isoformat(),
        due_on=loan.due_on.isoformat(),
    )


def _weekdays(weekly: Mapping[str, list[list[str]]]) -> list[wire.Weekday]:
    return [
        wire.Weekday(day=day, hours=[wire.Interval(opens=opens, closes=closes) for opens, closes in hours])
        for day, hours in weekly.items()
    ]


def _calendar_document(calendar: wire.Calendar) -> dict[str, Any]:
    """Return the document for `calendars.documents` of a calendar's message, without empty values."""
    document: dict[str, Any] = MessageToDict(calendar, preserving_proto_field_name=True)
    for part in (document, *document.get("weeks", ()), *document.get("seasons", ())):
        part["weekly"] = _week_document(part.get("weekly", ()))
    return {name: value for name, value in document.items() if name not in ("branch", "version", "zone")}


def _week_document(weekdays: Iterable[Mapping[str, Any]]) -> dict[str, list[list[str]]]:
    document: dict[str, list[list[str]]] = {}
    for weekday in weekdays:
        hours = [[interval.get("opens", ""), interval.get("closes", "")] for interval in weekday.get("hours", ())]
        document.setdefault(weekday.get("day", ""), []).extend(hours)
    return document
