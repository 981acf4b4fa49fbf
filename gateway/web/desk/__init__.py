"""Pages for staff: the desk, members, notices, policies, calendars, libraries, staff accounts and API clients."""

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
    suspensions,
    webhooks,
)

MODULES = (
    staff,
    api_clients,
    # Precedes `members`, because /members/{id} also matches /members/new.
    member_forms,
    members,
    member_acts,
    merging,
    consents,
    data_requests,
    scan_box,
    overdue,
    suspensions,
    notice_templates,
    print_list,
    channel_health,
    conversations,
    webhooks,
    # Follows the pages below /notices, because /notices/{id} also matches their paths.
    notices,
    policies,
    calendars,
    library_edits,
)
