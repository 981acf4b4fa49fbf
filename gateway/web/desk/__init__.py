"""Pages for staff: the desk, members, notices, policies, calendars, libraries, staff accounts and API clients."""

from __future__ import annotations

from gateway.web.desk import (
    api_clients,
    calendars,
    card_sheets,
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
    policy_versions,
    print_list,
    scan_box,
    staff,
    suspensions,
    webhooks,
)

MODULES = (
    staff,
    api_clients,
    # These precede `members`, because /members/{id} also matches their paths.
    member_forms,
    card_sheets,
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
    policy_versions,
    calendars,
    library_edits,
)
