"""Pages for members: sign-in, account, own data, notice preferences, and the pages of links in notices."""

from __future__ import annotations

from gateway.web.account import notice_links, notice_preferences, own_card, own_data, profile, sign_in

MODULES = (sign_in, profile, own_card, own_data, notice_links, notice_preferences)
