"""Templates that institutions have saved."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import String
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
