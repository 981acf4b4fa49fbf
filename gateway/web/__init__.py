"""The web pages: server-rendered, one module a page. They work without JavaScript, which only makes them faster.

`site` has pages for readers, `account` for members, `desk` for staff; `covers` draws covers and pictures.
"""

from __future__ import annotations

from gateway.web import assets, installing, pictures, preferences, style_guide, trust
from gateway.web.account import notice_links, notice_preferences, own_data, profile, sign_in
from gateway.web.covers import images
from gateway.web.desk import (
    api_clients,
    calendars,
    channel_health,
    consents,
    conversations,
    data_requests,
    library_edits,
    member_acts,
    member_forms,
    members,
    merging,
    notice_templates,
    notices,
    overdue,
    policies,
    print_list,
    scan_box,
    staff,
    webhooks,
)
from gateway.web.rendering import error_page
from gateway.web.site import branches, browse, classes, filters, home, marcview, neighbours, record, results, works

MODULES = (
    home,
    results,
    filters,
    marcview,
    neighbours,
    record,
    works,
    branches,
    browse,
    classes,
    images,
    pictures,
    preferences,
    style_guide,
    trust,
    installing,
    sign_in,
    profile,
    own_data,
    notice_links,
    staff,
    api_clients,
    # Before the page of a member, whose id could be `new`.
    member_forms,
    members,
    member_acts,
    merging,
    consents,
    data_requests,
    scan_box,
    overdue,
    notice_templates,
    print_list,
    channel_health,
    notice_preferences,
    conversations,
    webhooks,
    # After the pages below /notices, which are no ids.
    notices,
    policies,
    calendars,
    library_edits,
    assets,
)

__all__ = ["MODULES", "error_page"]
