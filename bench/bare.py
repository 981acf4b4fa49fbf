"""The bare path: a minimal search server with only the necessary work — tokens, tantivy, one SELECT, ten records, JSON.

It has no filters, cursors, languages or errors, so its speed is the upper limit for a search. It reads the files of an
embedded edition. Words are searched in four fields; facets are one aggregation with ten values each.

    python -m bench.bare DATA
"""

from __future__ import annotations

import asyncio
import json
import socket
import sqlite3
import sys
from pathlib import Path
from urllib.parse import parse_qsl

import orjson
import tantivy
import uvicorn
import uvloop

from services.catalog.analysis import tokens
from services.catalog.tables import decompress

FIELDS = (("title", 3.0), ("author", 2.5), ("subject", 1.5), ("text", 1.0))
SELECT = "SELECT number, id, brief, holdings FROM records WHERE number IN ({})"


class Bare:
    def __init__(self, data: Path) -> None:
        current = (data / "index" / "current").read_text().strip()
        self.index = tantivy.Index.open(str(data / "index" / current))
        self.schema = self.index.schema
        self.searcher = self.index.searcher()
        self.database = sqlite3.connect(data / "catalog.db")

    def find(self, text: str) -> tantivy.SearchResult:
        return self.searcher.search(self.query(text), 10)

    def query(self, text: str) -> tantivy.Query:
        words = [
            tantivy.Query.disjunction_max_query(
                [
                    tantivy.Query.boost_query(tantivy.Query.term_query(self.schema, field, token), boost)
                    for field, boost in FIELDS
                ],
                0.1,
            )
            for token in tokens(text)
        ]
        return tantivy.Query.boolean_query([(tantivy.Occur.Must, word) for word in words])

    def answer(self, text: str, facets: str = "") -> bytes:
        result = self.find(text)
        numbers = self.searcher.fast_field_values("number", [address for _, address in result.hits])
        rows = {}
        for row in self.database.execute(SELECT.format(",".join("?" * len(numbers))), numbers):
            rows[row[0]] = row
        hits = [
            {"record": orjson.Fragment(decompress(row[2])), "holdings": orjson.Fragment(decompress(row[3]))}
            for number in numbers
            if (row := rows.get(number))
        ]
        answer = {"total": result.count, "hits": hits}
        if facets:
            aggregations = {name: {"terms": {"field": f"facet_{name}", "size": 10}} for name in facets.split(",")}
            buckets = self.searcher.aggregate(self.query(text), aggregations)
            answer["facets"] = {
                name: [[bucket["key"], bucket["doc_count"]] for bucket in buckets[name]["buckets"]]
                for name in aggregations
            }
        return orjson.dumps(answer)

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] != "http":
            return
        parameters = dict(parse_qsl(scope["query_string"].decode()))
        body = self.answer(parameters["q"], parameters.get("facets", ""))
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


async def serve(data: Path) -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    server = uvicorn.Server(uvicorn.Config(Bare(data), log_level="warning", access_log=False, lifespan="off"))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        await asyncio.sleep(0.01)
    print(json.dumps({"address": f"http://127.0.0.1:{listener.getsockname()[1]}"}), flush=True)
    await task


if __name__ == "__main__":
    uvloop.run(serve(Path(sys.argv[1])))
