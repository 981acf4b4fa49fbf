"""An SRU server of another library: it returns its records with an ISBN as MARCXML, or what `answer` is set to."""

from __future__ import annotations

import re
from collections.abc import Iterable

from services.catalog.analysis import isbn13
from services.catalog.marc import marcxml
from services.catalog.marc.record import Record, by_tag
from services.catalog.record.brief import all_isbns
from tests.fakes.http_receiver import Answer, HttpReceiver, Received


class SruServer(HttpReceiver):
    """The server. hold: it keeps the connection and sends a byte every ten seconds."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self.records = list(records)
        super().__init__(self._search)

    def hold(self) -> None:
        self.answer = lambda _request: Answer(body=b" " * 100, seconds_per_byte=10)

    def _search(self, request: Received) -> Answer:
        wanted = {isbn13(number) for number in re.findall(r"=(\w+)", request.fields["query"])}
        found = [record for record in self.records if wanted & set(all_isbns(by_tag(record.fields)))]
        return Answer(body=sru_response(map(marcxml.encode, found)), headers={"Content-Type": "application/xml"})


def sru_response(records: Iterable[bytes]) -> bytes:
    """A response of SRU 1.1 with these records, each an XML element."""
    parts = [b"<zs:record><zs:recordData>%s</zs:recordData></zs:record>" % record for record in records]
    return (
        b'<?xml version="1.0"?><zs:searchRetrieveResponse xmlns:zs="http://www.loc.gov/zing/srw/">'
        b"<zs:version>1.1</zs:version><zs:numberOfRecords>%d</zs:numberOfRecords><zs:records>%s</zs:records>"
        b"</zs:searchRetrieveResponse>" % (len(parts), b"".join(parts))
    )
