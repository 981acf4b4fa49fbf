"""The web pages: server-rendered, one module per page. They work without JavaScript; htmx only makes them faster."""

from __future__ import annotations

from gateway.web import (
    account,
    api_clients,
    assets,
    browse,
    calendars,
    classes,
    consents,
    covers,
    desk,
    filters,
    home,
    marcview,
    member_acts,
    member_forms,
    members,
    merging,
    neighbours,
    overdue,
    policies,
    preferences,
    record,
    results,
    sign_in,
    staff,
    style_guide,
    trust,
    works,
)
from gateway.web.rendering import error_page

MODULES = (
    home,
    results,
    filters,
    marcview,
    neighbours,
    record,
    works,
    browse,
    classes,
    covers,
    preferences,
    style_guide,
    trust,
    sign_in,
    account,
    staff,
    api_clients,
    # Before the page of a member, whose id could be `new`.
    member_forms,
    members,
    member_acts,
    merging,
    consents,
    desk,
    overdue,
    policies,
    calendars,
    assets,
)

__all__ = ["MODULES", "error_page"]
