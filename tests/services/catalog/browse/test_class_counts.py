"""The tree of classes with counts of the index and captions of the libraries."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chassis.context import READER, system
from chassis.database.db import Database
from chassis.errors import Invalid, NotFound
from chassis.ids import new_id
from chassis.sentences import LocalText
from chassis.urls import open_url
from services.catalog import queries, sample
from services.catalog.browse import class_counts
from services.catalog.browse.class_counts import Classes
from services.catalog.index.port import ENGINES, Index
from services.catalog.record.class_table import ClassRow
from services.catalog.search.search import search
from services.catalog.service import SERVICE
from tests import servers as development
from tests.builders import book
from tests.migrated import copied_database
from tests.services.catalog.conftest import Importer
from tests.services.catalog.indexes import run_indexer

CLASSES = ["899.221", "899.223", "813", "823.914", "2X4.1", "2X1.3", "297.1", ""]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Database, Path]]:
    folder = tmp_path_factory.mktemp("classes")
    with copied_database(SERVICE, folder) as database:
        class_fields = [["082", "04", "a", number] for number in CLASSES]
        Importer(database)([book(str(at), more=[field] if field[3] else []) for at, field in enumerate(class_fields)])
        yield database, folder


@pytest.fixture(scope="module", params=["tantivy", pytest.param("elasticsearch", marks=pytest.mark.servers)])
def counted_library(request: pytest.FixtureRequest, library: tuple[Database, Path]) -> Iterator[tuple[Database, Index]]:
    database, folder = library
    name = f"test-classes-{new_id().hex}"
    root = request.getfixturevalue("servers")["SEARCH_ROOT_URL"] if request.param == "elasticsearch" else ""
    index = open_url(f"{root}/{name}" if root else f"tantivy:///{folder}/index", ENGINES)
    run_indexer(database, index)
    yield database, index
    index.close()
    if root:
        development.drop_indices(name)


def list_classes(counted_library: tuple[Database, Index], parent: str = "") -> Classes:
    database, index = counted_library
    return class_counts.classes(database, index, context=READER, parent=parent)


def counts_by_class(page: Classes) -> dict[str, int]:
    return {class_.notation: class_.count for class_ in page.classes if class_.count}


def test_the_first_level_has_the_ten_main_classes_and_2x(counted_library: tuple[Database, Index]) -> None:
    page = list_classes(counted_library)
    assert [class_.notation for class_ in page.classes] == [
        "000", "100", "200", "2X", "300", "400", "500", "600", "700", "800", "900",
    ]  # fmt: skip
    assert counts_by_class(page) == {"200": 3, "2X": 2, "800": 4}
    assert (page.path, page.without) == ([], 1)
    assert all(class_.caption for class_ in page.classes)
    assert [class_.notation for class_ in page.classes if class_.divided] == ["200", "2X", "800"]


@pytest.mark.parametrize(
    ("parent", "children", "path"),
    [
        ("8", {"810": 1, "820": 1, "890": 2}, ["800"]),
        ("800", {"810": 1, "820": 1, "890": 2}, ["800"]),
        ("890", {"899": 2}, ["800", "890"]),
        ("899", {"899.221": 1, "899.223": 1}, ["800", "890", "899"]),  # 899.22 alone is no choice
        ("899.22", {"899.221": 1, "899.223": 1}, ["800", "890", "899", "899.22"]),
        ("899.221", {}, ["800", "890", "899", "899.22", "899.221"]),
        ("820", {"823": 1}, ["800", "820"]),
        ("823", {"823.914": 1}, ["800", "820", "823"]),
        ("823.914", {}, ["800", "820", "823", "823.914"]),
        ("2X", {"2X1": 1, "2X4": 1}, ["2X"]),
        ("2x4", {"2X4.1": 1}, ["2X", "2X4"]),
        ("29", {"297": 3}, ["200", "290"]),
        ("5", {}, ["500"]),
    ],
)
def test_a_class_lists_its_classes_that_have_records(
    counted_library: tuple[Database, Index], parent: str, children: dict[str, int], path: list[str]
) -> None:
    page = list_classes(counted_library, parent)
    assert counts_by_class(page) == children
    assert [class_.notation for class_ in page.path] == path


def test_a_number_without_a_caption_says_under_what_it_is(counted_library: tuple[Database, Index]) -> None:
    classes = list_classes(counted_library, "899.22").classes
    under = {class_.notation: (class_.caption, class_.under) for class_ in classes}
    malay = LocalText("Sastra Indonesia dan Melayu", "Indonesian and Malay literature")
    indonesian = LocalText("Sastra Indonesia", "Indonesian literature")
    assert under == {"899.221": (indonesian, None), "899.223": (None, malay)}
    (listed,) = list_classes(counted_library, "890").classes
    assert (listed.notation, listed.under, listed.divided) == ("899", None, True)


def test_the_filter_finds_the_records_of_a_number_with_decimals(counted_library: tuple[Database, Index]) -> None:
    database, index = counted_library
    for value, total in (("899.22", 2), ("899.221", 1), ("899", 2), ("899.9", 0)):
        result = search(database, index, context=READER, filters={"class": (value,)}, facets=("class",))
        assert result.total == total
        chosen = [(facet.value, facet.count) for facet in result.facets[0].values if facet.selected]
        assert chosen == [(value, total)]


def test_an_unknown_class_is_refused(counted_library: tuple[Database, Index]) -> None:
    with pytest.raises(NotFound) as refusal:
        list_classes(counted_library, "sastra")
    assert refusal.value.reason == "CLASS_UNKNOWN"


def test_classes_have_the_captions_of_the_library_or_of_the_release(
    counted_library: tuple[Database, Index], library: tuple[Database, Path]
) -> None:
    database, _ = library
    with database.transaction(system("test")) as session:
        class_counts.load_captions(session, "PKS", {"89": ClassRow(LocalText("Sastra kita", "Our literature"))})
    captions = {class_.notation: class_.caption for class_ in list_classes(counted_library, "8").classes}
    assert captions == {
        "810": LocalText("Sastra Amerika", "American literature"),
        "820": LocalText("Sastra Inggris", "English literature"),
        "890": LocalText("Sastra kita", "Our literature"),
    }


def test_captions_are_an_institutions_and_replace_its_former_ones(database: Database, import_: Importer) -> None:
    import_([book("1")])
    with database.transaction(system("test")) as session:
        rows = {"8": ClassRow(LocalText("A", "A")), "81": ClassRow(LocalText("B", "B"))}
        assert class_counts.load_captions(session, "PKS", rows, dry_run=True) == 2
        assert queries.class_captions(session) == {}
        assert class_counts.load_captions(session, "PKS", rows) == 2
        assert class_counts.load_captions(session, "PKS", {"81": ClassRow(LocalText("C", "C"))}) == 1
        assert queries.class_captions(session) == {"81": LocalText("C", "C")}
        with pytest.raises(NotFound):
            class_counts.load_captions(session, "NIHIL", {"81": ClassRow(LocalText("C", "C"))})


def test_the_samples_captions_can_be_loaded() -> None:
    institution, captions = class_counts.read_captions(sample.classes_path())
    assert institution == "PKS"
    assert captions["899"].caption.en == "Indonesian and Minangkabau literature"
    assert "2X4.1" in captions


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "[classes]"),
        ("[classes]", "[classes]"),
        ("classes = 3", "[classes]"),
        ("[classes]\n", "[classes]"),
        ("institution = 3\n[classes]\n810 = { id = 'a', en = 'b' }", "institution"),
        ("[clases]\n810 = { id = 'a', en = 'b' }", "clases"),
        ("[classes]\n810 = 'a'", "id and en"),
        ("[classes]\n810 = { id = 'a' }", "id and en"),
        ("[classes]\n810 = { id = 'a', en = ' ' }", "id and en"),
        ("[classes]\n'899.' = { id = 'a', en = 'b' }", "is not a class"),
        ("[classes]\nSastra = { id = 'a', en = 'b' }", "is not a class"),
        ("[classes]\n8 = { id = 'a', en = 'b' }\n800 = { id = 'a', en = 'b' }", "twice"),
        ("[classes]\n810 = { id = 'a', en = 'b', words = 'ayam = hen' }", "words"),
        ("[classes]\n810 = { id = 'a', en = 'b', words = ['ayam'] }", "words"),
        ("[classes]\n810 = { id = 'a', en = 'b', word = ['ayam = hen'] }", "unknown: word"),
        ("[classes\n", ""),
    ],
)
def test_a_file_of_captions_that_is_wrong_is_refused_with_why(tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "classes.toml"
    file.write_text(text)
    with pytest.raises(Invalid) as refusal:
        class_counts.read_captions(file)
    assert refusal.value.reason == "CLASSES_FILE"
    detail = refusal.value.facts["why"]
    assert why in detail.en
    assert detail.id != detail.en
    assert detail.id in refusal.value.sentence.id


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound) as refusal:
        class_counts.read_captions(tmp_path / "none.toml")
    assert refusal.value.reason == "PATH_NOT_FOUND"
