"""Twenty invented members of the sample library, with invented numbers and addresses."""

from __future__ import annotations

from pathlib import Path

from chassis.context import system
from chassis.operations import resync
from chassis.service import Resources
from services.members.importing.files import ColumnMap, read_rows
from services.members.importing.pipeline import Import
from services.members.institutions import institution_of
from services.members.keys import Keys
from services.members.settings import MembersSettings

SAMPLE = system("sample")
INSTITUTION = "PKS"


def load(resources: Resources) -> dict[str, int]:
    """Add the members of the sample library; a second call changes nothing. Returns the number of added members.

    raises  NotFound  INSTITUTION_UNKNOWN  the catalogue has no sample library
    """
    resync.refill(resources, owner="catalog")
    with resources.database.reading(SAMPLE) as session:
        institution = institution_of(session, INSTITUTION)
    master = Keys(resources.database, resources.settings.of(MembersSettings)).master
    columns = ColumnMap()
    run = Import(
        resources.database, SAMPLE, institution_id=institution.id, master=master, dry_run=False, report=lambda _: None
    )
    counts = run.run(read_rows(Path(__file__).with_name("members.csv"), columns), columns)
    return {"members": counts.created}
