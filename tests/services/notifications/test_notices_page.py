"""The settings that docs/notices.md shows are accepted."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from services.notifications.channels.opening import open_channels
from services.notifications.templates.kinds import KINDS, Source
from services.notifications.templates.rendering import refuse_faulty
from tests.conftest import CHECKOUT

PAGE = (CHECKOUT / "docs/notices.md").read_text()


SETTINGS = re.findall(r"CHANNELS='(.+?)'", PAGE)


# One with … names a place that only the reader knows.
@pytest.mark.parametrize("line", [line for line in SETTINGS if "…" not in line])
def test_channels_of_the_page_open(line: str, tmp_path: Path) -> None:
    specs = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert len(specs) == 2
    for spec in specs:
        (tmp_path / "sms.toml").write_text(spec)
        for name in ("kunci-sms", "sms-key", "whatsapp-token"):
            (tmp_path / name).write_text("secret")
        line = re.sub("ID_NOMOR_TELEPON|PHONE_NUMBER_ID", "123456789012345", line)
        channels = open_channels(line.replace("/etc/rangkiang", str(tmp_path)))
        assert [channel.name for channel in channels][-1] == "print"


def test_the_markup_of_the_page_is_accepted() -> None:
    samples = [code.replace("\\|", "|") for code in re.findall(r"^\| (.+?) \|(?: .*)?$", PAGE, re.MULTILINE)]
    texts = [text for sample in samples for text in re.findall(r"`([^`]+)`", sample) if "{" in text]
    assert len(texts) == 12
    for text in texts:
        kind = KINDS["loan_digest" if "items" in text else "due_soon"]
        body = text if "items" in text else text + "{{ title }}{{ due_on }}"
        refuse_faulty(Source(subject="Info", body=body), kind, "email")
