"""The operator's commands of members; they act on the database."""

from __future__ import annotations

import re
import shlex
import sys
import time
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from chassis import audit, clock
from chassis.context import system
from chassis.errors import Invalid, NotFound
from chassis.gc_tuning import tune_gc
from chassis.institutions import SANDBOX
from chassis.output import print_json, print_table, print_text
from chassis.security import encryption
from chassis.sentences import fill
from chassis.service import Resources, open_for_command
from chassis.urls import resolve
from services.members import institutions, keys, tables
from services.members.importing.files import read_map, read_rows
from services.members.importing.pipeline import Counts, Import
from services.members.importing.rows import Finding
from services.members.settings import MembersSettings
from services.members.sign_in import accounts, clients, usage
from services.members.sign_in.sessions import end_sessions
from services.members.tables import Account, AccountRole

OPERATOR = system("operator")
ADMINISTRATOR = "administrator"
PUT_ASIDE = 1  # exit code
# The list of findings is cut here; the counts are complete.
MOST_FINDINGS = 10_000

Json = Annotated[bool, typer.Option("--json", help="End with one line of JSON.")]
Limit = Annotated[int | None, typer.Option(min=0, max=1_000_000_000, help="A limit of its plan; 0: the default.")]
Institution = Annotated[str, typer.Option(help="Code of the institution.")]

app = typer.Typer()
admin_app = typer.Typer(no_args_is_help=True, help="Administrators of an institution, and their one-time links.")
client_app = typer.Typer(no_args_is_help=True, help="Programs of other systems that call the API.")
keys_app = typer.Typer(no_args_is_help=True, help="The keys that sign access tokens and seal personal data.")
app.add_typer(admin_app, name="admin")
app.add_typer(client_app, name="client")
app.add_typer(keys_app, name="keys")
members_app = typer.Typer(no_args_is_help=True, help="Members of an institution: import from CSV and Excel.")
app.add_typer(members_app, name="members")


@admin_app.command("create")
def create_admin(
    institution: Institution,
    name: Annotated[str, typer.Option(help="Name of the person.")],
    user: Annotated[str, typer.Option(help="User name; by default made from the person's name.")] = "",
    json: Json = False,
) -> None:
    """Add an administrator, and print the one-time link for the first password."""
    with open_for_command("members") as resources:
        owner = _institution(resources, institution)
        with resources.database.transaction(OPERATOR) as session:
            person = accounts.add_staff(
                session,
                institution_id=owner.id,
                user=user or _user_name(name),
                name=name,
                role_codes=[ADMINISTRATOR],
                context=OPERATOR,
                granter=None,
            )
            _record(session, "members.add_staff", kind="account", object_id=person.account.id)
            link = accounts.make_link(session, person.account)
        _print_link(resources, person.account.user, link, json=json)


@admin_app.command("hint")
def hint_admin(json: Json = False) -> None:
    """Print the command that makes the first administrator; nothing when there is an administrator."""
    with open_for_command("members") as resources, resources.database.reading(OPERATOR) as session:
        administrators = select(AccountRole.account_id).join(Account, Account.id == AccountRole.account_id)
        is_there = session.scalar(administrators.where(AccountRole.role == ADMINISTRATOR, Account.closed_at.is_(None)))
        code = session.scalar(select(tables.Institution.code).order_by(tables.Institution.id)) or "PKS"
    settings = resources.settings
    # The same folder and address as those of the server, whatever folder the command is typed in.
    variables = {"DATA": str(settings.data.absolute())}
    if settings.port != type(settings).model_fields["port"].default:
        variables["PORT"] = str(settings.port)
    words = [*(f"{name}={shlex.quote(value)}" for name, value in variables.items()), shlex.quote(sys.argv[0])]
    command = f'{" ".join(words)} admin create --institution {shlex.quote(code)} --name "Siti Rahma"'
    if json:
        print_json({"command": None if is_there else command})
    elif not is_there:
        print_text(f"Administrator pertama · First administrator:\n{command}")


@admin_app.command("reset")
def reset_admin(
    user: Annotated[str, typer.Argument(help="User name of staff.")],
    json: Json = False,
) -> None:
    """End the sessions of a staff member, and print a one-time link for a new password and second factor."""
    with open_for_command("members") as resources:
        with resources.database.transaction(OPERATOR) as session:
            account = session.scalars(
                select(Account).where(
                    Account.user == accounts.user_name(user), ~Account.is_member, Account.closed_at.is_(None)
                )
            ).first()
            if account is None:
                raise NotFound("STAFF_NOT_FOUND", id=user[:40])
            account.password_hash, account.totp_secret = "", b""
            end_sessions(session, account.id)
            _record(session, "members.reset_account", kind="account", object_id=account.id)
            link = accounts.make_link(session, account)
            user_name = account.user
        _print_link(resources, user_name, link, json=json)


@client_app.command("create")
def create_client(
    name: Annotated[str, typer.Argument(help="Name of the client: lower-case letters, digits, '.', '_' and '-'.")],
    institution: Institution,
    role: Annotated[str, typer.Option(help="desk, cataloguer, manager, administrator, partner or partner_members.")],
    requests_a_minute: Limit = None,
    requests_a_day: Limit = None,
    records_a_day: Limit = None,
    json: Json = False,
) -> None:
    """Add a client, and print its secret, which is not stored, and a command that gets an access token."""
    limits = _limits(requests_a_minute, requests_a_day, records_a_day)
    with open_for_command("members") as resources:
        owner = _institution(resources, institution)
        with resources.database.transaction(OPERATOR) as session:
            client, secret = clients.add_client(
                session, institution_id=owner.id, name=name, role=role, context=OPERATOR, granter=None
            )
            usage.set_limits(client, limits)
            _record(session, "members.add_client", kind="client", object_id=client.id, facts=limits)
        credentials = {"client_id": str(client.id), "client_secret": secret}
        curl = f"curl -s -u {client.id}:{secret} -d grant_type=client_credentials {_own_url(resources)}/oauth/token"
        how = fill("CLIENT_TOKEN_HOW", {}).in_language(resources.settings.language)
    if json:
        print_json({**credentials, "curl": curl})
    else:
        print_text("\n".join((*(f"{key}: {value}" for key, value in credentials.items()), "", how, curl)))


@client_app.command("list")
def list_clients(json: Json = False) -> None:
    """List the clients of all institutions."""
    with open_for_command("members") as resources, resources.database.reading(OPERATOR) as session:
        codes = {institution.id: institution.code for institution in session.scalars(select(tables.Institution))}
        rows = [
            {
                "client_id": str(client.id),
                "name": client.name,
                "institution": codes[client.institution_id],
                "role": client.role,
                "added_at": client.added_at.isoformat(),
                "last_used_at": client.last_used_at.isoformat() if client.last_used_at else None,
                "revoked_at": client.revoked_at.isoformat() if client.revoked_at else None,
                **{limit: getattr(client, limit) for limit in usage.LIMITS},
            }
            for client in clients.list_clients(session)
        ]
    if json:
        print_json({"total": len(rows), "hits": rows})
    else:
        print_table(
            tuple(rows[0]) if rows else ("client_id",), [tuple(str(v or "") for v in row.values()) for row in rows]
        )


@client_app.command("limit")
def limit_client(
    client_id: str,
    requests_a_minute: Limit = None,
    requests_a_day: Limit = None,
    records_a_day: Limit = None,
    json: Json = False,
) -> None:
    """Change the plan of a client. 0 is the default of its role; what is left out stays."""
    limits = _limits(requests_a_minute, requests_a_day, records_a_day)
    with open_for_command("members") as resources, resources.database.transaction(OPERATOR) as session:
        client = usage.change_plan(session, client_id, limits)
        _record(session, "members.change_client", kind="client", object_id=client.id, facts=limits)
        result = {"client_id": str(client.id), "name": client.name}
        result |= {name: getattr(client, name) for name in usage.LIMITS}
    print_json(result) if json else print_table(tuple(result), [tuple(str(v or "-") for v in result.values())])


def _limits(
    requests_a_minute: int | None, requests_a_day: int | None, records_a_day: int | None
) -> dict[str, int | None]:
    limits = dict(zip(usage.LIMITS, (requests_a_minute, requests_a_day, records_a_day), strict=True))
    return {name: limit or None for name, limit in limits.items() if limit is not None}


@client_app.command("revoke")
def revoke_client(client_id: str, json: Json = False) -> None:
    """Revoke a client; its tokens are refused everywhere within 20 seconds."""
    with open_for_command("members") as resources, resources.database.transaction(OPERATOR) as session:
        client = clients.revoke_client(session, client_id)
        _record(session, "members.revoke_client", kind="client", object_id=client.id)
        result = {"client_id": str(client.id), "name": client.name, "revoked": True}
    print_json(result) if json else print_text(f"{result['name']}: revoked")


@keys_app.command("new")
def new_master_key(json: Json = False) -> None:
    """Print a new master key, for a Kubernetes Secret or for the file of MASTER_KEY_FILE."""
    master = encryption.MasterKey.new()
    print_json({"key": master.text(), "fingerprint": master.fingerprint}) if json else print_text(master.text())


@members_app.command("import")
def import_members(
    file: Annotated[Path, typer.Argument(help="A .csv file, separated by ; or , or tabs, or an .xlsx file.")],
    institution: Annotated[str, typer.Option(help="Code of the institution; not needed when there is only one.")] = "",
    mapping: Annotated[
        Path | None, typer.Option("--map", help="A TOML file that names the column of each field.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the changes without making them.")] = False,
    json: Json = False,
) -> None:
    """Add the members of a file, and update those that exist; a repeated import changes nothing.

    Exit code 1: rows were rejected, columns were not read, or new members have no category in the file.
    """
    begun = time.monotonic()
    findings: list[dict[str, Any]] = []
    columns = read_map(mapping)

    def report_finding(finding: Finding) -> None:
        sentence = fill(finding.reason, {"field": finding.field, **finding.facts})
        if not json:
            row, rejected = ("baris", "ditolak: ") if language == "id" else ("row", "rejected: ")
            text = sentence.in_language(language)
            print_text(f"{row} {finding.row}: {rejected if finding.is_rejected else ''}{text}")
        elif len(findings) < MOST_FINDINGS:
            entry = {"row": finding.row, "reason": finding.reason, "field": finding.field}
            findings.append({**entry, "put_aside": finding.is_rejected, "detail": sentence.en})

    with open_for_command("members") as resources:
        language = resources.settings.language
        owner = _institution(resources, institution) if institution else _only_institution(resources)
        tune_gc()
        run = Import(
            resources.database,
            system("import"),
            institution_id=owner.id,
            master=_keys(resources).master,
            dry_run=dry_run,
            report=report_finding,
        )
        rows = read_rows(file, columns)
        counts = run.run(rows, columns)
    seconds = round(time.monotonic() - begun, 3)
    if json:
        report = {**asdict(counts), "columns": rows.columns, "unread_columns": rows.unread}
        print_json({**report, "dry_run": dry_run, "seconds": seconds, "findings": findings})
    else:
        _print_categories(counts)
        print_text(
            f"{'(dry run) ' if dry_run else ''}{counts.read} read: {counts.created} created, {counts.updated} updated, "
            f"{counts.unchanged} unchanged, {counts.put_aside} rejected; {counts.warnings} warnings; {seconds:.1f} s"
        )
    if counts.put_aside or counts.without_category or rows.unread:
        raise typer.Exit(PUT_ASIDE)


def _print_categories(counts: Counts) -> None:
    """Print how many members of each category an import adds and updates, and until when they are members."""
    rows = [
        (
            category,
            str(count["created"]),
            str(count["updated"]),
            " … ".join(dict.fromkeys(filter(None, (count["expires_from"], count["expires_to"])))) or "-",
            str(count["computed"]),
        )
        for category, count in sorted(counts.categories.items())
    ]
    if rows:
        print_table(("category", "created", "updated", "last day", "computed"), rows)


def _only_institution(resources: Resources) -> tables.Institution:
    """Return the only institution. Raises Invalid INSTITUTION_NEEDED when there are several or none."""
    with resources.database.reading(OPERATOR) as session:
        query = select(tables.Institution).order_by(tables.Institution.code)
        rows = session.scalars(query.where(~tables.Institution.code.startswith(SANDBOX, autoescape=True))).all()
    if len(rows) != 1:
        raise Invalid("INSTITUTION_NEEDED", known=[institution.code for institution in rows])
    return rows[0]


@keys_app.command("rotate")
def rotate_keys(json: Json = False) -> None:
    """Sign access tokens with a new key as soon as every process knows it; tokens of the old key stay valid."""
    with open_for_command("members") as resources:
        master = _keys(resources).master
        with resources.database.transaction(OPERATOR) as session:
            key_id = keys.rotate_signing_key(session, master).id
            _record(session, "members.rotate_key", kind="signing_key", object_id=key_id)
    print_json({"key": key_id}) if json else print_text(
        f"new key: {key_id}; it signs within {keys.PUBLISHED_FIRST.seconds} s"
    )


@keys_app.command("paper")
def print_master_key(json: Json = False) -> None:
    """Print the master key, so that you can keep a copy on paper in a safe."""
    with open_for_command("members") as resources:
        master = _keys(resources).master
        with resources.database.transaction(OPERATOR) as session:
            _mark_printed(session, master.fingerprint)
            _record(session, "members.print_master_key", kind="master_key", object_id=master.fingerprint)
    if json:
        print_json({"key": master.text(), "fingerprint": master.fingerprint})
    else:
        print_text(f"{master.text()}\n\nfingerprint: {master.fingerprint}")


def _record(
    session: Session, act: str, *, kind: str, object_id: object, facts: Mapping[str, object] | None = None
) -> None:
    audit.record(session, OPERATOR, act, kind=kind, object_id=object_id, facts=facts or {})


def _mark_printed(session: Session, fingerprint: str) -> None:
    key = tables.MasterKey
    session.execute(update(key).where(key.fingerprint == fingerprint).values(printed_at=clock.now()))


def _institution(resources: Resources, code: str) -> tables.Institution:
    """Return an institution; if it is not here yet, copy the institutions of the catalogue first.

    raises  NotFound  INSTITUTION_UNKNOWN
    """
    try:
        with resources.database.reading(OPERATOR) as session:
            return institutions.institution_of(session, code)
    except NotFound:
        resolve("chassis.operations.resync:refill")(resources, owner="catalog")
    with resources.database.reading(OPERATOR) as session:
        return institutions.institution_of(session, code)


def _keys(resources: Resources) -> keys.Keys:
    return keys.Keys(resources.database, resources.settings.of(MembersSettings))


def _own_url(resources: Resources) -> str:
    """Return PUBLIC_URL, or without it the address of a library on this machine."""
    settings = resources.settings
    scheme = "https" if settings.tls_cert else "http"
    return settings.of(MembersSettings).public_url.rstrip("/") or f"{scheme}://127.0.0.1:{settings.port}"


def _print_link(resources: Resources, user: str, secret: str, *, json: bool) -> None:
    link = f"{_own_url(resources)}/sign-in/link/{secret}"
    if json:
        print_json({"user": user, "link": link})
    else:
        print_text(f"user: {user}\nlink: {link}\nIt works once, within 24 hours.")


def _user_name(name: str) -> str:
    """Make a user name from a person's name: `Siti Rahma, S.Pd.` gives `siti.rahma`."""
    letters = unicodedata.normalize("NFKD", name.partition(",")[0]).encode("ascii", "ignore").decode().lower()
    words = re.findall(r"[a-z0-9]+", letters)[:2]
    user = ".".join(words)[:32]
    if len(user) < 3 or not user[0].isalpha():
        raise Invalid("USER_NAME_INVALID", given=user)
    return user
