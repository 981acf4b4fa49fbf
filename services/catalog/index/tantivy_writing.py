"""Writes to a tantivy index, and the rebuild of an index."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import tantivy

from services.catalog.index import tantivy_files as files
from services.catalog.index.port import Change, index_not_written
from services.catalog.index.stored_fields import fields_of
from services.catalog.index.tantivy_query import engine_errors, schema

HEAP_BYTES = 64_000_000


class FolderWriter:
    """The writer of one folder, opened when first needed.

    tantivy locks the folder against a second writer; the kernel frees the lock of a killed writer.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._writer: tantivy.IndexWriter | None = None
        self._uncommitted = False

    def write(self, changes: Iterable[Change], *, durable: bool = True) -> None:
        try:
            for change in changes:
                with engine_errors(index_not_written):
                    self._put(change)
            if durable and self._uncommitted and self._writer is not None:
                with engine_errors(index_not_written):
                    self._writer.commit()
                self._uncommitted = False
        except BaseException:
            # The next commit must not include a part of this batch.
            self._writer, self._uncommitted = None, False
            raise

    def _put(self, change: Change) -> None:
        if self._writer is None:
            self._writer = tantivy.Index.open(str(self.folder)).writer(HEAP_BYTES, 1)
        self._uncommitted = True
        self._writer.delete_documents_by_term("number", change.number)
        if change.document is not None:
            self._writer.add_document(tantivy.Document(**fields_of(change)))

    def close(self) -> None:
        """Wait for running merges and release the lock."""
        writer, self._writer = self._writer, None
        if writer is not None:
            with engine_errors(index_not_written):
                writer.wait_merging_threads()


class TantivyRebuild:
    """See services.catalog.index.port.Rebuild."""

    def __init__(self, root: Path, name: str, marker: files.Marker, on_swap: Callable[[], None]) -> None:
        self._root, self.name, self._marker, self._on_swap = root, name, marker, on_swap
        self._writer = FolderWriter(root / name)

    @classmethod
    def begin(cls, root: Path, name: str, marker: files.Marker, on_swap: Callable[[], None]) -> TantivyRebuild:
        folder = root / name
        with engine_errors(index_not_written):
            unfinished = files.read_pointer(root, "next")
            for old in {name, unfinished} - {"", files.read_pointer(root, "current")}:
                old_marker = files.read_marker(root / old)
                if old_marker is None or old_marker.owner == marker.owner:
                    shutil.rmtree(root / old, ignore_errors=True)
            folder.mkdir()
            tantivy.Index(schema(), str(folder))
            files.write_manifest(folder, marker)
            files.write_pointer(root, "next", name)
        return cls(root, name, marker, on_swap)

    @classmethod
    def resume(cls, root: Path, marker: files.Marker, on_swap: Callable[[], None]) -> TantivyRebuild | None:
        name = files.read_pointer(root, "next")
        if (
            not name
            or name == files.read_pointer(root, "current")
            or files.read_marker(root / name) != marker
            or files.damaged_file(root / name)
        ):
            return None
        return cls(root, name, marker, on_swap)

    def write(self, changes: Iterable[Change], *, durable: bool = True) -> None:
        self._writer.write(changes, durable=durable)

    def swap(self) -> None:
        if files.read_marker(self._root / self.name) != self._marker:
            raise index_not_written(self.name)
        self._writer.write(())
        self._writer.close()
        with engine_errors(index_not_written):
            files.write_pointer(self._root, "current", self.name)
            files.delete_pointer(self._root, "next")
        self._on_swap()

    def close(self) -> None:
        self._writer.close()

    def abandon(self) -> None:
        self.close()
        files.delete_pointer(self._root, "next")
        shutil.rmtree(self._root / self.name, ignore_errors=True)
