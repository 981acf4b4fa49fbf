"""Pages for members: sign-in, account, own data, and what a link in a notice opens."""

from __future__ import annotations

from gateway.web.account import notice_links, notice_preferences, own_data, profile, sign_in

MODULES = (sign_in, profile, own_data, notice_links, notice_preferences)
