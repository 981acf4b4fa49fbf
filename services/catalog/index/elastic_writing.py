"""Bulk writes to Elasticsearch, and the rebuild of an index."""

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
from services.catalog.index.port import Change, index_not_written
from services.catalog.index.stored_fields import stored_fields

WRITE_SECONDS = 60
BULK_BYTES = 4_000_000
YEAR_2025 = 1_735_689_600  # a weight has 31 bits


def rebuild_alias(alias: str) -> str:
    """Return the alias of the unfinished index."""
    return f"{alias}-coming"


class ElasticRebuild:
    """See services.catalog.index.port.Rebuild."""

    def __init__(self, client: Elasticsearch, alias: str, name: str) -> None:
        self._client, self._alias, self.name = client, alias, name

    @classmethod
    def begin(cls, client: Elasticsearch, alias: str, name: str) -> ElasticRebuild:
        index = f"{alias}-{name}"
        with write_errors():
            for old_index, aliases in list_indexes(client, alias).items():
                if alias not in aliases:
                    client.options(ignore_status=404).indices.delete(index=old_index)
            client.indices.create(
                index=index, settings=settings(), mappings=mappings(), aliases={rebuild_alias(alias): {}}
            )
            client.index(index=index, id=MARKER, document=_state_document("0"), refresh=True)
        return cls(client, alias, name)

    @property
    def _index(self) -> str:
        return f"{self._alias}-{self.name}"

    def write(self, changes: Iterable[Change], *, durable: bool = True) -> None:  # a bulk is always durable
        bulk_write(self._client, rebuild_alias(self._alias), changes)

    def swap(self) -> None:
        with write_errors():
            self._client.indices.refresh(index=self._index)
            live = [name for name, aliases in list_indexes(self._client, self._alias).items() if self._alias in aliases]
            self._client.indices.update_aliases(
                actions=[
                    {"add": {"index": self._index, "alias": self._alias}},
                    {"remove": {"index": self._index, "alias": rebuild_alias(self._alias)}},
                    *({"remove": {"index": index, "alias": self._alias}} for index in live if index != self._index),
                ]
            )
            for index in live:
                if index != self._index:
                    self._client.options(ignore_status=404).indices.delete(index=index)

    def abandon(self) -> None:
        with write_errors():
            self._client.options(ignore_status=404).indices.delete(index=self._index)


def list_indexes(client: Elasticsearch, alias: str) -> dict[str, list[str]]:
    """Return the indexes that Rangkiang made for the alias, each with its aliases."""
    indexes = client.options(ignore_status=404).indices.get(index=f"{alias}-*", features=["aliases", "mappings"]).body
    return {
        name: list(index["aliases"])
        for name, index in indexes.items()
        if name.rpartition("-")[0] == alias and "form" in index["mappings"].get("_meta", {})
    }


def bulk_write(client: Elasticsearch, alias: str, changes: Iterable[Change]) -> None:
    """Write in bulk with the records' versions, so that Elasticsearch refuses late writes of a former lease holder."""
    size, lines = 0, list[bytes]()
    for change in changes:
        lines.extend(_bulk_lines(change))
        size += len(lines[-1])
        if size > BULK_BYTES:
            _send_bulk(client, alias, lines)
            size, lines = 0, []
    if lines:
        _send_bulk(client, alias, lines)


def _bulk_lines(change: Change) -> list[bytes]:
    head = {"_id": str(change.number), "version": change.version, "version_type": "external_gte"}
    if change.document is None:
        return [orjson.dumps({"delete": head})]
    return [orjson.dumps({"index": head}), orjson.dumps(stored_fields(change.document))]


def _state_document(stamp: str) -> Json:
    """Build the marker's document; a newer one has a larger weight."""
    return {STATE: {"input": f"{STATE}{stamp}", "weight": int(clock.now().timestamp()) - YEAR_2025}}


def _send_bulk(client: Elasticsearch, alias: str, lines: list[bytes]) -> None:
    """Send one bulk. A refresh may happen during it, so the state gets a new name before the changes and after them."""
    stamp = new_id().hex
    action = orjson.dumps({"index": {"_id": MARKER}})
    first_state, last_state = (orjson.dumps(_state_document(f"{stamp}{part}")) for part in ("a", "b"))
    operations: Any = [action, first_state, *lines, action, last_state]
    with write_errors():
        response = client.options(request_timeout=WRITE_SECONDS).bulk(
            index=alias,
            operations=operations,
            require_alias=True,
            filter_path="errors,items.*.status,items.*.error.type,items.*.error.reason",
        )
    if response["errors"]:
        for item in response["items"]:
            (result,) = item.values()
            # 409: the index has a newer version. Deleting a missing document is a 404 without an error.
            if "error" in result and result["status"] != 409:
                raise index_not_written(result["error"])


@contextmanager
def write_errors() -> Iterator[None]:
    try:
        yield
    except (TransportError, ApiError) as problem:
        raise index_not_written(problem) from problem
