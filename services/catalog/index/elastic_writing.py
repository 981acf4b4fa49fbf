"""Writing to Elasticsearch in bulk, and a new index beside the live one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import orjson
from elastic_transport import TransportError
from elasticsearch import ApiError, Elasticsearch

from chassis import clock
from chassis.ids import new_id
from services.catalog.index.elastic_query import MARKER, STATE, Json, mappings, settings
from services.catalog.index.errors import not_written
from services.catalog.index.port import Change
from services.catalog.index.stored_fields import stored

WRITE_SECONDS = 60
BULK_BYTES = 4_000_000
YEAR_2025 = 1_735_689_600  # a weight has 31 bits


def coming(alias: str) -> str:
    """The alias of the unfinished index."""
    return f"{alias}-coming"


class ElasticRebuild:
    """See services.catalog.index.Rebuild."""

    def __init__(self, client: Elasticsearch, alias: str, name: str) -> None:
        self._client, self._alias, self.name = client, alias, name

    @classmethod
    def begin(cls, client: Elasticsearch, alias: str, name: str) -> ElasticRebuild:
        index = f"{alias}-{name}"
        with writing():
            for left, aliases in indexes(client, alias).items():
                if alias not in aliases:
                    client.options(ignore_status=404).indices.delete(index=left)
            client.indices.create(index=index, settings=settings(), mappings=mappings(), aliases={coming(alias): {}})
            client.index(index=index, id=MARKER, document=_state("0"), refresh=True)
        return cls(client, alias, name)

    @property
    def _index(self) -> str:
        return f"{self._alias}-{self.name}"

    def write(self, changes: Iterable[Change], *, durable: bool = True) -> None:  # a bulk always is
        write(self._client, coming(self._alias), changes)

    def swap(self) -> None:
        with writing():
            self._client.indices.refresh(index=self._index)
            live = [name for name, aliases in indexes(self._client, self._alias).items() if self._alias in aliases]
            self._client.indices.update_aliases(
                actions=[
                    {"add": {"index": self._index, "alias": self._alias}},
                    {"remove": {"index": self._index, "alias": coming(self._alias)}},
                    *({"remove": {"index": index, "alias": self._alias}} for index in live if index != self._index),
                ]
            )
            for index in live:
                if index != self._index:
                    self._client.options(ignore_status=404).indices.delete(index=index)

    def abandon(self) -> None:
        with writing():
            self._client.options(ignore_status=404).indices.delete(index=self._index)


def indexes(client: Elasticsearch, alias: str) -> dict[str, list[str]]:
    """Indexes that we made for this alias, each with the aliases it has."""
    found = client.options(ignore_status=404).indices.get(index=f"{alias}-*", features=["aliases", "mappings"]).body
    return {
        name: list(known["aliases"])
        for name, known in found.items()
        if name.rpartition("-")[0] == alias and "form" in known["mappings"].get("_meta", {})
    }


def write(client: Elasticsearch, alias: str, changes: Iterable[Change]) -> None:
    """Bulk-write under the records' own versions: what a deposed holder of the lease writes late is refused."""
    size, lines = 0, list[bytes]()
    for change in changes:
        lines.extend(_lines(change))
        size += len(lines[-1])
        if size > BULK_BYTES:
            _bulk(client, alias, lines)
            size, lines = 0, []
    if lines:
        _bulk(client, alias, lines)


def _lines(change: Change) -> list[bytes]:
    head = {"_id": str(change.number), "version": change.version, "version_type": "external_gte"}
    if change.document is None:
        return [orjson.dumps({"delete": head})]
    return [orjson.dumps({"index": head}), orjson.dumps(stored(change.document))]


def _state(stamp: str) -> Json:
    """The marker's document; the newer, the heavier."""
    return {STATE: {"input": f"{STATE}{stamp}", "weight": int(clock.now().timestamp()) - YEAR_2025}}


def _bulk(client: Elasticsearch, alias: str, lines: list[bytes]) -> None:
    """A refresh may fall into the middle: the state is named anew before as well as after."""
    stamp = new_id().hex
    mark = orjson.dumps({"index": {"_id": MARKER}})
    before, after = (orjson.dumps(_state(f"{stamp}{part}")) for part in ("a", "b"))
    operations: Any = [mark, before, *lines, mark, after]
    with writing():
        answer = client.options(request_timeout=WRITE_SECONDS).bulk(
            index=alias,
            operations=operations,
            require_alias=True,
            filter_path="errors,items.*.status,items.*.error.type,items.*.error.reason",
        )
    if answer["errors"]:
        for item in answer["items"]:
            (done,) = item.values()
            # 409: something newer is there. A record that was not there is gone (404 without an error).
            if "error" in done and done["status"] != 409:
                raise not_written(done["error"])


@contextmanager
def writing() -> Iterator[None]:
    try:
        yield
    except (TransportError, ApiError) as problem:
        raise not_written(problem) from problem
