"""Acknowledgements of broken seals: an administrator states the reason and signs it with an SSH key.

An acknowledgement is an act in the audit itself. It covers the rows of the seal as they are at that moment: after a
later change of these rows the seal is reported again.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from sqlalchemy import select
from sqlalchemy.orm import Session

from chassis.audit import acts, record
from chassis.context import system
from chassis.errors import Invalid, Refusal

OPERATOR = system("operator")
ACT = "audit.acknowledge"


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """Why a broken seal was acknowledged. signed_by: the public key in OpenSSH's form."""

    reason: str
    signed_by: str
    at: datetime


def read_key(path: Path) -> Ed25519PrivateKey:
    """Read a private key that `ssh-keygen -t ed25519` made without a passphrase. Raises Invalid AUDIT_KEY_UNUSABLE."""
    try:
        key = serialization.load_ssh_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as problem:
        raise Invalid("AUDIT_KEY_UNUSABLE", file=str(path), why=str(problem)[:200]) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise Invalid("AUDIT_KEY_UNUSABLE", file=str(path), why="not Ed25519")
    return key


def acknowledge(session: Session, refusal: Refusal, *, reason: str, key: Ed25519PrivateKey) -> None:
    """Record that an administrator knows why a seal is broken.

    refusal  of `chassis.audit.verification`, with the fact `evidence`
    """
    evidence = str(refusal.facts["evidence"])
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()
    signature = base64.b64encode(key.sign(_signed_text(evidence, reason))).decode()
    facts = {"finding": refusal.reason, "evidence": evidence, "reason": reason, "key": public, "signature": signature}
    record(
        session, OPERATOR, ACT, kind="seal", object_id=refusal.facts.get("seal", refusal.facts["first"]), facts=facts
    )


def read_acknowledgements(session: Session) -> Mapping[str, Acknowledgement]:
    """Return evidence -> its acknowledgement, for those whose signature is right."""
    signed = {}
    for row in session.execute(select(acts).where(acts.c.act == ACT, acts.c.kind == "seal").order_by(acts.c.number)):
        facts = json.loads(row.facts)
        try:
            key = serialization.load_ssh_public_key(facts["key"].encode())
            if not isinstance(key, Ed25519PublicKey):
                continue
            key.verify(base64.b64decode(facts["signature"]), _signed_text(facts["evidence"], facts["reason"]))
        except (KeyError, ValueError, UnsupportedAlgorithm, InvalidSignature):
            continue  # the row was not written by `acknowledge`, or was changed
        signed[facts["evidence"]] = Acknowledgement(facts["reason"], facts["key"], row.at)
    return signed


def _signed_text(evidence: str, reason: str) -> bytes:
    return json.dumps([ACT, evidence, reason], ensure_ascii=True).encode()
