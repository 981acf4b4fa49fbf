"""The templates of pages, and what they may call; compiled, they are kept on disk.

Their bytecode is in `__pycache__` beside them, as Python keeps that of modules: to compile the templates of one page
takes up to 0.15 s of CPU time, in each process that shows it.
"""

from __future__ import annotations

import re
import sys
import tempfile
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import jinja2
from jinja2.bccache import Bucket, BytecodeCache
from markupsafe import Markup, escape

from gateway.web import assets

FOLDER = Path(__file__).parent / "templates"
_SPAN = re.compile(r"([0-9]{2}[.:][0-9]{2}–[0-9]{2}[.:][0-9]{2})")
_ADDRESS_SIGN = re.compile(r"([@./_-])(?=\w)")
_MADE_BY = f"{sys.implementation.cache_tag}.jinja-{jinja2.__version__}"


class TemplateBytecode(BytecodeCache):
    """Bytecode of the templates of a folder; where it may not be written, each process compiles what it needs.

    Jinja's own cache of this kind fails there, and only the user who wrote its files may read them.

    options  what makes the environment, because compiled templates depend on that too
    """

    def __init__(self, folder: Path, *, options: bytes) -> None:
        self._folder, self._options = folder / "__pycache__", options

    def get_cache_key(self, name: str, filename: str | None = None) -> str:
        return f"{name.replace('/', '-')}.{_MADE_BY}"

    def get_source_checksum(self, source: str) -> str:
        return sha256(self._options + source.encode()).hexdigest()

    def load_bytecode(self, bucket: Bucket) -> None:
        with suppress(OSError), (self._folder / bucket.key).open("rb") as file:
            bucket.load_bytecode(file)

    def dump_bytecode(self, bucket: Bucket) -> None:
        if sys.dont_write_bytecode:
            return
        with suppress(OSError):
            if not self._folder.exists():
                self._folder.mkdir(exist_ok=True)
                self._folder.chmod(0o755)
            # Replaced as a whole, because other processes read it.
            with tempfile.NamedTemporaryFile(dir=self._folder, delete=False) as file:
                bucket.write_bytecode(file)
            Path(file.name).chmod(0o644)
            Path(file.name).replace(self._folder / bucket.key)


def _unbroken(text: str) -> Markup:
    """Keep each span of hours on one line."""
    return Markup(_SPAN.sub(r'<span class="span">\1</span>', str(escape(text))))  # noqa: S704 - escaped


def _breakable(text: str) -> Markup:
    """Let lines end after the signs of an address of mail or of the web."""
    return Markup(_ADDRESS_SIGN.sub(r"\1<wbr>", str(escape(text))))  # noqa: S704 - escaped


templates = jinja2.Environment(
    loader=jinja2.FileSystemLoader(FOLDER),
    bytecode_cache=TemplateBytecode(FOLDER, options=Path(__file__).read_bytes()),
    autoescape=jinja2.select_autoescape(default=True, default_for_string=True),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
    cache_size=-1,
)
templates.filters |= {"unbroken": _unbroken, "breakable": _breakable}
templates.globals["static"] = assets.address


def compile_templates() -> None:
    """Write the bytecode of every template, for an installation that its processes may not write."""
    for name in templates.list_templates(extensions=["html"]):
        templates.get_template(name)
