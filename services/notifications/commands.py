"""The operator's commands of notifications, for the channels of the setting CHANNELS."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chassis.errors import NotFound, Unavailable
from chassis.ids import new_id_text
from chassis.metrics import telemetry
from chassis.output import print_json, print_table, print_text
from chassis.sentences import sentence
from chassis.service import load, process_settings
from chassis.settings import Settings
from services.notifications.channels.opening import open_own_channels
from services.notifications.channels.port import Channel, Message, ProviderTemplate, send_and_wait
from services.notifications.channels.webpush import make_keys
from services.notifications.settings import NotificationsSettings

NOT_TAKEN = 1  # exit code
Json = Annotated[bool, typer.Option("--json", help="End with one line of JSON.")]

app = typer.Typer()
channels_app = typer.Typer(no_args_is_help=True, help="Channels of notices: list, test, and keys of web push.")
app.add_typer(channels_app, name="channels")


def _open() -> tuple[Settings, tuple[Channel, ...]]:
    settings = process_settings([load("notifications")])
    return settings, open_own_channels(settings.of(NotificationsSettings))


@channels_app.command("list")
def list_channels(json: Json = False) -> None:
    """List the channels of CHANNELS in order of fallback; nothing is sent."""
    _, channels = _open()
    rows = [{"name": channel.name, "address": channel.address_kind} for channel in channels]
    if json:
        print_json({"channels": rows})
        return
    print_table(("name", "address"), [(channel.name, channel.address_kind) for channel in channels])


@channels_app.command("test")
def try_channel(
    name: Annotated[str, typer.Argument(help="Name of a channel, as `list` shows it.")],
    address: Annotated[str, typer.Argument(help="Your own e-mail address, or phone number with + and country code.")],
    template: Annotated[str, typer.Option("--template", help="WhatsApp: name of a template without parameters.")] = "",
    json: Json = False,
) -> None:
    """Send a test message to yourself. Exit code 1: the provider did not accept it."""
    settings, channels = _open()
    channel = next((channel for channel in channels if channel.name == name), None)
    if channel is None:
        raise NotFound("CHANNEL_UNKNOWN", name=name, known=[channel.name for channel in channels])
    language = settings.language
    with telemetry.command(settings):
        outcome = send_and_wait(
            channel,
            Message(
                id=new_id_text(),
                kind="test",
                address=address,
                language=language,
                subject=sentence("CHANNEL_TEST_SUBJECT").in_language(language),
                text=sentence("CHANNEL_TEST_TEXT").in_language(language),
                template=ProviderTemplate(template, language) if template else None,
            ),
        )
    channel.close()
    if json:
        print_json({"state": outcome.state, "reason": outcome.reason, "provider_id": outcome.provider_id})
    else:
        text = sentence("CHANNEL_TESTED", state=outcome.state, reason=outcome.reason or "–")
        print_text(text.in_language(language))
    if outcome.state != "accepted":
        raise typer.Exit(NOT_TAKEN)


@channels_app.command("push-keys")
def push_keys(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder outside the folders of the databases.")],
    json: Json = False,
) -> None:
    """Make the pair of keys that signs web push messages (VAPID)."""
    settings = process_settings([load("notifications")])
    try:
        key = make_keys(folder)
    except OSError as problem:
        raise Unavailable("FOLDER_UNUSABLE", folder=str(folder), why=problem.strerror) from None
    if json:
        print_json({"folder": str(folder), "public_key": key})
        return
    print_text(sentence("PUSH_KEYS_MADE", folder=str(folder.absolute()), key=key).in_language(settings.language))
