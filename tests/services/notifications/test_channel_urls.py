"""CHANNELS is read with clear errors that repeat no secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from chassis.errors import Invalid
from services.notifications.channels.opening import open_channels
from services.notifications.channels.webpush import make_keys, public_key

SECRET = "rahasia-sekali"
SPEC = """
url = "https://sms.example/send"
[fields]
to = "{to}"
text = "{text}"
key = "{secret:key}"
"""


def test_channels_are_opened_in_order_of_fallback_with_blanks_or_commas_between(tmp_path: Path) -> None:
    (tmp_path / "sms.toml").write_text(SPEC)
    channels = open_channels(
        f"smtp://u:{SECRET}@mail.example:587?from=Perpustakaan,Kota<a@kota.example>, "
        f"http+form:{tmp_path}/sms.toml?key={SECRET}&name=sms\nconsole:?address=phone print:"
    )
    assert [(channel.name, channel.address_kind) for channel in channels] == [
        ("smtp", "email"),
        ("sms", "phone"),
        ("console", "phone"),
        ("print", "none"),
    ]


@pytest.mark.parametrize(
    ("urls", "reason"),
    [
        ("", "CHANNELS_EMPTY"),
        (f"smpt://u:{SECRET}@mail.example", "URL_SCHEME_MISSPELT"),
        (f"telegram://{SECRET}", "URL_SCHEME_UNKNOWN"),
        (f"smtp://u:{SECRET}@mail.example:58x?from=a@b.example", "CHANNEL_URL_INVALID"),
        (f"smtp://u:{SECRET}/x@mail.example?from=a@b.example", "CHANNEL_URL_INVALID"),
        (f"smtp://u:{SECRET}@mail.example?from=a@b.example&from=c@d.example", "CHANNEL_URL_INVALID"),
        (f"smtp://u:{SECRET}@mail.example?from=a@b.example&name=Mail%20Kota", "CHANNEL_OPTION_INVALID"),
        (f"smtp://u:{SECRET}@mail.example", "CHANNEL_NEEDS"),
        (f"smtp://{SECRET}@mail.example?from=a@b.example", "CHANNEL_NEEDS"),
        (f"smtp://u:{SECRET}@mail.example?from=a@b.example&tsl=none", "CHANNEL_OPTION_UNKNOWN"),
        (f"smtp://u:{SECRET}@mail.example?from=a@b.example&tls=yes", "CHANNEL_OPTION_INVALID"),
        (f"smtp://u:{SECRET}@mail.example?from=a@b.example&timeout=0", "CHANNEL_OPTION_INVALID"),
        (f"smtp://u:{SECRET}@mail.example?from=a@b.example&rate=fast", "CHANNEL_OPTION_INVALID"),
        (f"smtp://u:{SECRET}@mail.example?from=a@b.example&authority=/no/such/file", "CHANNEL_FILE_UNUSABLE"),
        (
            f"smtp://u:{SECRET}@mail.example?from=a@b.example smtp://other.example?from=a@b.example",
            "CHANNEL_NAME_TAKEN",
        ),
        (f"whatsapp://perpustakaan?token={SECRET}", "CHANNEL_NEEDS"),
        ("whatsapp://123456789?version=v23.0", "CHANNEL_NEEDS"),
        (f"whatsapp://123456789?token={SECRET}&version=23", "CHANNEL_OPTION_INVALID"),
        (f"whatsapp://123456789?token={SECRET}&name=pesan", "CHANNEL_OPTION_INVALID"),
        (f"whatsapp://123456789?token={SECRET}&secret-file=/no/such/file", "CHANNEL_FILE_UNUSABLE"),
        (f"whatsapp://123456789?token={SECRET}&institution=dinas.arpus_kota", "CHANNEL_OPTION_INVALID"),
        (f"whatsapp://123456789?token={SECRET} whatsapp://123456789?token=x&institution=PKS", "CHANNEL_NUMBER_TAKEN"),
        (f"smtp://u:{SECRET}@mail.example?from=a@b.example&institution=PKS", "CHANNEL_OPTION_UNKNOWN"),
        (f"whatsapp://123456789?token={SECRET}&host=graph.facebook.com/x", "CHANNEL_OPTION_INVALID"),
        ("whatsapp://123456789?token-file=/no/such/file", "CHANNEL_FILE_UNUSABLE"),
        ("http+form:/no/such/file.toml", "CHANNEL_FILE_UNUSABLE"),
        (f"http+form://sms.example/send?key={SECRET}", "CHANNEL_NEEDS"),
        ("webpush:?contact=a@b.example", "CHANNEL_NEEDS"),
        ("webpush:?contact=a@b.example&keys=/no/such/folder", "CHANNEL_FILE_UNUSABLE"),
        ("console:?address=pigeon", "CHANNEL_OPTION_INVALID"),
        (f"print:?key={SECRET}", "CHANNEL_OPTION_UNKNOWN"),
    ],
)
def test_a_fault_of_a_url_is_named_without_the_secret(urls: str, reason: str) -> None:
    with pytest.raises(Invalid) as error:
        open_channels(urls)
    assert error.value.reason == reason
    assert error.value.sentence.id != reason, "it has a sentence"
    assert SECRET not in str(error.value)
    assert SECRET not in error.value.sentence.id


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("url = ", "Invalid value"),
        ("[fields]\ntext = '{text}'", "url: Field required"),
        (SPEC.replace("{text}", "halo"), "no field has {text}"),
        (SPEC.replace("{to}", "{phone}"), "{phone} is none of"),
        (SPEC.replace("https:", "ftp:"), "url: http or https"),
        (SPEC.replace("sms.example", "{to}.example"), "without placeholders"),
        (SPEC + "[success]\nregex = '('\n", "not a regular expression"),
        (SPEC + "[success]\ncode = 1\n", "success.code: Extra inputs"),
        (SPEC + "[headers]\n'X: y' = 'z'\n", "is no name of a header"),
    ],
)
def test_a_wrong_description_of_a_gateway_is_refused_with_its_field(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "sms.toml").write_text(text)
    with pytest.raises(Invalid) as error:
        open_channels(f"http+form:{tmp_path}/sms.toml?key={SECRET}")
    assert why in error.value.facts["why"]
    assert SECRET not in str(error.value)


def test_secrets_of_a_gateway_come_from_files_or_from_the_setting(tmp_path: Path) -> None:
    (tmp_path / "sms.toml").write_text(SPEC)
    with pytest.raises(Invalid) as error:
        open_channels(f"http+form:{tmp_path}/sms.toml")
    assert (error.value.reason, error.value.facts["option"]) == ("CHANNEL_NEEDS", "secret:key".removeprefix("secret:"))
    (tmp_path / "sms.toml").write_text(SPEC + "[secrets]\nkey = 'key-file'\n")
    with pytest.raises(Invalid) as error:
        open_channels(f"http+form:{tmp_path}/sms.toml")
    assert error.value.reason == "CHANNEL_FILE_UNUSABLE"
    (tmp_path / "key-file").write_text(f"{SECRET}\n")
    [channel] = open_channels(f"http+form:{tmp_path}/sms.toml")
    assert SECRET not in repr(channel)


def test_a_pair_of_keys_is_made_once(tmp_path: Path) -> None:
    key = make_keys(tmp_path / "vapid")
    assert len(key) == 87
    assert public_key(tmp_path / "vapid") == key
    assert (tmp_path / "vapid" / "vapid-private.pem").stat().st_mode & 0o777 == 0o600
    with pytest.raises(Invalid) as error:
        make_keys(tmp_path / "vapid")
    assert error.value.reason == "VAPID_KEYS_EXIST"
    assert public_key(tmp_path) == ""
