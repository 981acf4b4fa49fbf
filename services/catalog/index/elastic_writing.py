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
from services.catalog.index.port import Change, Installation, index_foreign, index_not_written, search_unavailable
from services.catalog.index.stored_fields import FORM, fields_of

WRITE_SECONDS = 60
BULK_BYTES = 4_000_000
YEAR_2025 = 1_735_689_600  # a weight has 31 bits


class Names:
    """The names of one installation's indexes of this form: `<base>-<installation>-<form>-<rebuild>`.

    The alias `live` names the live index, the alias `coming` the unfinished one. The names of the aliases have the
    installation and the form, so that no other installation or form reads or writes these indexes.

    base  the last part of SEARCH_URL
    """

    def __init__(self, base: str, installation: Installation) -> None:
        self.base, self.installation, self.form = base, installation, FORM
        self._live = ""

    @property
    def live(self) -> str:
        """Return the alias. Raises Unavailable DATABASE_UNAVAILABLE until the installation's id is known."""
        if not self._live:
            self._live = f"{self.base}-{self.installation.id()}-{self.form}"
        return self._live

    @property
    def coming(self) -> str:
        return f"{self.live}-coming"

    @property
    def marker(self) -> Json:
        """Return the marker of this installation's indexes of this form; it is the `_meta` of their mapping."""
        return {"form": self.form, "base": self.base, "owner": self.installation.id()}

    def index(self, rebuild: str) -> str:
        return f"{self.live}-{rebuild}"

    def require_own(self, index: str) -> None:
        """Refuse an answer from another installation's index. Raises Unavailable INDEX_FOREIGN."""
        if not index.startswith(f"{self.live}-"):
            raise index_foreign(index, "", self.installation)


class ElasticRebuild:
    """See services.catalog.index.port.Rebuild."""

    def __init__(self, client: Elasticsearch, names: Names, name: str) -> None:
        self._client = client.options(request_timeout=WRITE_SECONDS)
        self._names, self.name = names, name

    @classmethod
    def begin(cls, client: Elasticsearch, names: Names, name: str) -> ElasticRebuild:
        client = client.options(request_timeout=WRITE_SECONDS)
        with write_errors():
            for unfinished in find_aliased(client, names.coming):
                client.options(ignore_status=404).indices.delete(index=unfinished)
            client.indices.create(
                index=names.index(name),
                settings=settings(),
                mappings=mappings(names.marker),
                aliases={names.coming: {}},
            )
            client.index(index=names.index(name), id=MARKER, document=_state_document("0"), refresh=True)
        return cls(client, names, name)

    @property
    def _index(self) -> str:
        return self._names.index(self.name)

    def write(self, changes: Iterable[Change], *, durable: bool = True) -> None:  # every bulk is durable
        bulk_write(self._client, self._names, self._names.coming, changes)

    def swap(self) -> None:
        live, coming = self._names.live, self._names.coming
        with write_errors():
            self._client.indices.refresh(index=self._index)
            self._client.indices.update_aliases(
                actions=[
                    {"add": {"index": self._index, "alias": live}},
                    {"remove": {"index": self._index, "alias": coming}},
                    *(
                        {"remove": {"index": index, "alias": live}}
                        for index in find_aliased(self._client, live)
                        if index != self._index
                    ),
                ]
            )

    def abandon(self) -> None:
        with write_errors():
            self._client.options(ignore_status=404).indices.delete(index=self._index)


def find_aliased(client: Elasticsearch, alias: str) -> list[str]:
    """Return the indexes behind an alias."""
    response = client.options(ignore_status=404).indices.get_alias(name=alias)
    return sorted(response.body) if response.meta.status == 200 else []


def find_markers(client: Elasticsearch, base: str) -> dict[str, Json]:
    """Return the markers of all indexes that any installation made for this base, by index."""
    response = client.options(ignore_status=404).indices.get(
        index=f"{base}-*", features=["mappings"], filter_path="*.mappings._meta"
    )
    markers = {name: index["mappings"]["_meta"] for name, index in response.body.items() if name != "error"}
    return {
        name: marker
        for name, marker in markers.items()
        # Releases whose markers had no owner named their indexes `<base>-<rebuild>`.
        if "form" in marker and (marker["base"] == base if "base" in marker else name.rpartition("-")[0] == base)
    }


def bulk_write(client: Elasticsearch, names: Names, alias: str, changes: Iterable[Change]) -> None:
    """Write in bulk with the records' versions, so that Elasticsearch refuses late writes of a former lease holder."""
    size, lines = 0, list[bytes]()
    for change in changes:
        lines.extend(_bulk_lines(change))
        size += len(lines[-1])
        if size > BULK_BYTES:
            _send_bulk(client, names, alias, lines)
            size, lines = 0, []
    if lines:
        _send_bulk(client, names, alias, lines)


def _bulk_lines(change: Change) -> list[bytes]:
    head = {"_id": str(change.number), "version": change.version, "version_type": "external_gte"}
    if change.document is None:
        return [orjson.dumps({"delete": head})]
    return [orjson.dumps({"index": head}), orjson.dumps(fields_of(change))]


def _state_document(stamp: str) -> Json:
    """Build the marker's document; a newer one has a larger weight."""
    return {STATE: {"input": f"{STATE}{stamp}", "weight": int(clock.now().timestamp()) - YEAR_2025}}


def _send_bulk(client: Elasticsearch, names: Names, alias: str, lines: list[bytes]) -> None:
    """Send one bulk. It renames the state before and after the changes, because a refresh may happen in between."""
    stamp = new_id().hex
    action = orjson.dumps({"index": {"_id": MARKER}})
    first_state, last_state = (orjson.dumps(_state_document(f"{stamp}{part}")) for part in ("a", "b"))
    operations: Any = [action, first_state, *lines, action, last_state]
    with write_errors():
        response = client.options(request_timeout=WRITE_SECONDS).bulk(
            index=alias,
            operations=operations,
            require_alias=True,
            filter_path="errors,items.*._index,items.*.status,items.*.error.type,items.*.error.reason",
        )
    # When the alias does not exist, a refused item names the alias as its index.
    written = (result for item in response["items"] for result in item.values() if "error" not in result)
    for index in {result["_index"] for result in written}:
        names.require_own(index)
    if response["errors"]:
        for item in response["items"]:
            (result,) = item.values()
            # 409: the index has a newer version. Deleting a missing document is a 404 without an error.
            if "error" in result and result["status"] != 409:
                raise index_not_written(result["error"])


BUSY_STATUSES = frozenset({429, 502, 503, 504})  # the engine, or shards of it, cannot be reached at the moment


@contextmanager
def write_errors() -> Iterator[None]:
    """Raise errors of the client as Unavailable: SEARCH_UNAVAILABLE, or INDEX_NOT_WRITTEN if the engine refuses."""
    try:
        yield
    except TransportError as problem:
        raise search_unavailable(type(problem).__name__) from problem
    except ApiError as problem:
        if problem.status_code in BUSY_STATUSES:
            raise search_unavailable(type(problem).__name__) from problem
        raise index_not_written(problem) from problem
