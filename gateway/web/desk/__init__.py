"""Pages for staff: the desk, members, notices, rules, libraries, staff and programs."""

from __future__ import annotations

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

MODULES = (
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
    conversations,
    webhooks,
    # After the pages below /notices, which are no ids.
    notices,
    policies,
    calendars,
    library_edits,
)
