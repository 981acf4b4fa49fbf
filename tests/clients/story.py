"""A partner's program, typed by the generated client: search, record, token, register, lend, renew, return, notices.

usage: python story.py ADDRESS CLIENT_ID CLIENT_SECRET QUERY
"""

from __future__ import annotations

import sys
import uuid
from typing import TypeVar

from rangkiang_client import AuthenticatedClient, Client, models
from rangkiang_client.api.lending import check_in, check_out
from rangkiang_client.api.loans import renew_loan
from rangkiang_client.api.members import register_member
from rangkiang_client.api.notices import list_notices
from rangkiang_client.api.records import get_record, list_items
from rangkiang_client.api.search import search
from rangkiang_client.api.sign_in import issue_token

Model = TypeVar("Model")
BRANCH = "PKS/PST"


def need(kind: type[Model], reply: object) -> Model:
    """Return the reply when it has the kind; a Problem or None ends the program."""
    assert isinstance(reply, kind), reply
    return reply


def key() -> str:
    return str(uuid.uuid4())


def main(address: str, client_id: str, client_secret: str, query: str) -> None:
    reader = Client(base_url=address, verify_ssl=False)
    hit = need(models.SearchPage, search.sync(client=reader, q=query)).hits[0]
    record = need(models.FullRecord, get_record.sync(hit.id, client=reader))
    assert record.record.title == hit.record.title
    barcode = need(models.Items, list_items.sync(hit.id, client=reader)).hits[0].barcode
    assert isinstance(barcode, str)

    credentials = models.ClientCredentials.from_dict({"client_id": client_id, "client_secret": client_secret})
    token = need(models.AccessToken, issue_token.sync(client=reader, body=credentials))
    desk = AuthenticatedClient(base_url=address, token=token.access_token, verify_ssl=False)
    new_member = models.NewMemberBody(name=f"Rahmi {query}", category="umum")
    member = need(models.NewMember, register_member.sync(client=desk, body=new_member, idempotency_key=key()))

    lend = models.CheckOutBody(member=member.number, item=barcode, branch=BRANCH)
    loan = need(models.CheckedOut, check_out.sync(client=desk, body=lend, idempotency_key=key())).loan
    renewed = need(
        models.RenewedLoan, renew_loan.sync(need(uuid.UUID, loan.id), client=desk, idempotency_key=key())
    ).loan
    assert renewed.renewals == 1
    give_back = models.ItemBody(item=barcode, branch=BRANCH)
    returned = need(models.CheckedIn, check_in.sync(client=desk, body=give_back, idempotency_key=key()))
    assert returned.item.barcode == barcode
    notices = need(models.Notices, list_notices.sync(client=desk, member=str(member.id)))
    assert all(notice.member_id == member.id for notice in notices.hits)


if __name__ == "__main__":
    main(*sys.argv[1:])
