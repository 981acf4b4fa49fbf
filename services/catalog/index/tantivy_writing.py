"""Writing a tantivy index: one writer a folder, opened when first needed; and a new index beside the live one."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import tantivy

from services.catalog.index import tantivy_files as files
from services.catalog.index.errors import not_written
from services.catalog.index.port import Change
from services.catalog.index.stored_fields import stored
from services.catalog.index.tantivy_query import schema, translated

HEAP_BYTES = 64_000_000


class Writing:
    """Writes into one folder. tantivy's own lock keeps a second writer out; a killed writer's lock is free."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._writer: tantivy.IndexWriter | None = None
        self._uncommitted = False

    def write(self, changes: Iterable[Change], *, durable: bool = True) -> None:
        try:
            for change in changes:
                with translated(not_written):
                    self._put(change)
            if durable and self._uncommitted and self._writer is not None:
                with translated(not_written):
                    self._writer.commit()
                self._uncommitted = False
        except BaseException:
            # Half a batch must not ride along with the next.
            self._writer, self._uncommitted = None, False
            raise

    def _put(self, change: Change) -> None:
        if self._writer is None:
            self._writer = tantivy.Index.open(str(self.folder)).writer(HEAP_BYTES, 1)
        self._uncommitted = True
        self._writer.delete_documents_by_term("number", change.number)
        if change.document is not None:
            self._writer.add_document(tantivy.Document(**stored(change.document)))

    def close(self) -> None:
        """Let running merges end, and the lock go."""
        writer, self._writer = self._writer, None
        if writer is not None:
            with translated(not_written):
                writer.wait_merging_threads()


class Building:
    """See services.catalog.index.Rebuild."""

    def __init__(self, root: Path, name: str, swapped: Callable[[], None]) -> None:
        self._root, self.name, self._swapped = root, name, swapped
        self._writing = Writing(root / name)

    @classmethod
    def begin(cls, root: Path, name: str, swapped: Callable[[], None]) -> Building:
        folder = root / name
        with translated(not_written):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            tantivy.Index(schema(), str(folder))
            files.write_manifest(folder)
            files.point(root, "next", name)
        return cls(root, name, swapped)

    @classmethod
    def resume(cls, root: Path, swapped: Callable[[], None]) -> Building | None:
        name = files.named(root, "next")
        if not name or name == files.named(root, "current") or not files.is_ours(root / name) or files.rot(root / name):
            return None
        return cls(root, name, swapped)

    def write(self, changes: Iterable[Change], *, durable: bool = True) -> None:
        self._writing.write(changes, durable=durable)

    def swap(self) -> None:
        if not files.is_ours(self._root / self.name):
            raise not_written(self.name)
        self._writing.write(())
        self._writing.close()
        with translated(not_written):
            files.point(self._root, "current", self.name)
            files.unpoint(self._root, "next")
        self._swapped()
        files.tidy(self._root, self.name)

    def close(self) -> None:
        self._writing.close()

    def abandon(self) -> None:
        self.close()
        files.unpoint(self._root, "next")
        shutil.rmtree(self._root / self.name, ignore_errors=True)
