"""Templates that institutions have saved, and the addresses of staff who test them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from services.notifications.tables.base import Table


class TemplateVersion(Table):
    """One saved version of a template. The newest version is in force; earlier versions stay.

    channel   one of kinds.CHANNELS
    provider  only for WhatsApp: name, language, and names of the parameters
    """

    __tablename__ = "template_versions"
    institution_id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(32), primary_key=True)
    channel: Mapped[str] = mapped_column(String(16), primary_key=True)
    language: Mapped[str] = mapped_column(String(8), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    subject: Mapped[str]
    body: Mapped[str]
    provider: Mapped[dict[str, Any]]
    saved_by: Mapped[str] = mapped_column(String(128))
    saved_at: Mapped[datetime]


class StaffAddress(Table):
    """The address of an account of staff to which tests of templates go.

    kind          "email" or "phone"
    sealed        address, and until it is confirmed the code that was sent to it (JSON), under the master key
    tries         typed codes since the code was sent
    is_confirmed  the code was typed
    at            time of the code, of the confirmation or of the last test
    """

    __tablename__ = "staff_addresses"
    institution_id: Mapped[UUID] = mapped_column(primary_key=True)
    account: Mapped[str] = mapped_column(String(128), primary_key=True)
    kind: Mapped[str] = mapped_column(String(8), primary_key=True)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    tries: Mapped[int]
    is_confirmed: Mapped[bool]
    at: Mapped[datetime]
