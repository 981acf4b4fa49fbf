"""Every reason why a record is put aside, loaded with a warning or refused on the way out, in one table.

Codes are stable: reports, tests and scripts rely on them.
"""

from __future__ import annotations

from dataclasses import dataclass

from chassis.errors import LocalText

MAX_RECORD_BYTES = 8_000_000

WARNINGS = {
    "NO_TITLE": LocalText("Tidak ada judul (245).", "There is no title (245)."),
    "LENGTH_WRONG": LocalText(
        "Panjang cantuman di leader salah; direktori dan pemisah ruas cocok.",
        "The record length in the leader is wrong; directory and terminators agree.",
    ),
    "BASE_ADDRESS_WRONG": LocalText(
        "Alamat awal data di leader salah; direktori dan pemisah ruas cocok.",
        "The base address in the leader is wrong; directory and terminators agree.",
    ),
    "DIRECTORY_ORDER": LocalText(
        "Urutan data lain dari urutan direktori; direktori yang diikuti.",
        "The data stand in another order than the directory; the directory was followed.",
    ),
    "DIRECTORY_WRONG": LocalText(
        "Angka di direktori salah; jumlah dan bentuk ruas cocok, pemisah ruas yang diikuti.",
        "Numbers in the directory are wrong; count and shape of the fields agree, the terminators were followed.",
    ),
    "DIRECTORY_UNTERMINATED": LocalText(
        "Direktori tidak ditutup; alamat awal data dan pemisah ruas cocok.",
        "The directory has no terminator; base address and the fields' terminators agree.",
    ),
    "DIRECTORY_TRAILING_BYTES": LocalText(
        "Ada sisa bita di akhir direktori; semua ruas cocok.",
        "Some bytes are left over at the end of the directory; every field agrees.",
    ),
    "RECORD_OVERSIZE": LocalText(
        "Cantuman lebih dari 99.999 bita atau satu ruas lebih dari 9.999; terbaca utuh.",
        "The record is over 99,999 bytes or one field over 9,999; it was read whole.",
    ),
    "NO_RECORD_TERMINATOR": LocalText(
        "Tanda akhir cantuman tidak ada; semua ruas lengkap.",
        "The record terminator is missing; every field is complete.",
    ),
    "LEADER_ODD": LocalText(
        "Leader berisi nilai yang tidak lazim; cantuman tetap terbaca.",
        "The leader holds unusual values; the record could be read.",
    ),
    "NO_LEADER": LocalText(
        "Cantuman tanpa leader; diberi leader kosong.", "There was no leader; a blank one was given."
    ),
    "UTF8_SAID_MARC8": LocalText(
        "Leader menyebut MARC-8, isinya UTF-8; dibaca sebagai UTF-8.",
        "The leader says MARC-8, the bytes are UTF-8; read as UTF-8.",
    ),
    "MAYBE_LATIN1": LocalText(
        "Dibaca sebagai MARC-8 seperti kata leader, tetapi mungkin Latin-1.",
        "Read as MARC-8 as the leader says, but it may be Latin-1.",
    ),
    "REPLACEMENT_CHARACTER": LocalText(
        "Ada huruf U+FFFD: sebagian teks sudah rusak sebelum sampai di sini.",
        "There is U+FFFD: some text was damaged before it came here.",
    ),
    "CONTROL_CHARACTERS": LocalText("Ada huruf kendali di dalam teks.", "There are control characters in the text."),
    "ODD_TAG": LocalText("Ada tengara yang bukan tiga angka atau huruf.", "A tag is not three digits or letters."),
    "BAD_INDICATORS": LocalText("Ada indikator yang tidak sah.", "An indicator is not a valid one."),
    "TEXT_OUTSIDE_SUBFIELDS": LocalText(
        "Ada teks di luar subruas; disimpan apa adanya.", "There is text outside any subfield; it was kept as it is."
    ),
    "EMPTY_SUBFIELD": LocalText(
        "Ada pemisah subruas tanpa kode dan tanpa isi; disimpan apa adanya.",
        "There is a subfield delimiter without code or value; it was kept as it is.",
    ),
    "NO_NAMESPACE": LocalText("MARCXML tanpa ruang nama.", "MARCXML without its namespace."),
    "UNKNOWN_ELEMENT": LocalText(
        "Ada unsur XML atau kunci JSON yang bukan MARC di dalam cantuman; ditinggalkan.",
        "An XML element or a JSON key inside the record is not MARC; it was left out.",
    ),
}

FAULTS = {
    "GARBAGE": LocalText("Bukan cantuman MARC.", "This is not a MARC record."),
    "TRUNCATED": LocalText("Cantuman terpotong.", "The record is cut off."),
    "LEADER_BAD": LocalText("Leader tidak dapat dibaca.", "The leader cannot be read."),
    "DIRECTORY_BAD": LocalText(
        "Direktori rusak: tidak cocok dengan pemisah ruas.", "The directory is damaged: terminators do not bear it out."
    ),
    "NO_FIELDS": LocalText("Cantuman tanpa ruas.", "The record has no fields."),
    "BAD_UTF8": LocalText("Leader menyebut UTF-8, isinya bukan.", "The leader says UTF-8, the bytes are not."),
    "BAD_MARC8": LocalText(
        "Leader menyebut MARC-8, isinya bukan MARC-8 yang sah.",
        "The leader says MARC-8, the bytes are not valid MARC-8.",
    ),
    "LATIN1_SAID_MARC8": LocalText(
        "Leader menyebut MARC-8, isinya tampaknya Latin-1.", "The leader says MARC-8, the bytes look like Latin-1."
    ),
    "CODING_UNKNOWN": LocalText(
        "Leader tidak menyebut MARC-8 atau UTF-8, dan isinya bukan UTF-8.",
        "The leader names neither MARC-8 nor UTF-8, and the bytes are not UTF-8.",
    ),
    "RECORD_TOO_BIG": LocalText("Cantuman lebih dari 8 MB.", "The record is over 8 MB."),
    "GZIP_BOMB": LocalText(
        "Berkas gzip mengembang lebih dari 200 kali; dihentikan.", "The gzip file grows over 200-fold; it was stopped."
    ),
    "GZIP_DAMAGED": LocalText("Berkas gzip rusak atau terpotong.", "The gzip file is damaged or cut off."),
    "XML_MALFORMED": LocalText("XML tidak sah.", "The XML is not well-formed."),
    "XML_DTD": LocalText("XML dengan DTD tidak diterima.", "XML with a DTD is not accepted."),
    "XML_TOO_DEEP": LocalText("XML bersarang terlalu dalam.", "The XML is nested too deeply."),
    "NOT_MARCXML": LocalText("XML ini bukan MARCXML.", "This XML is not MARCXML."),
    "JSON_MALFORMED": LocalText("JSON tidak sah.", "The JSON is not valid."),
    "NOT_MARCJSON": LocalText("JSON ini bukan MARC-in-JSON.", "This JSON is not MARC-in-JSON."),
    "DUPLICATE_KEYS": LocalText(
        "Satu objek JSON memuat kunci yang sama dua kali.", "A JSON object holds the same key twice."
    ),
    "FIELD_BAD": LocalText("Satu ruas tidak berbentuk ruas MARC.", "A field does not have the shape of a MARC field."),
}

REFUSALS = {
    "RECORD_TOO_LONG_FOR_ISO2709": LocalText(
        "Cantuman lebih dari 99.999 bita; ISO 2709 tidak dapat memuatnya.",
        "The record is over 99,999 bytes; ISO 2709 cannot hold it.",
    ),
    "FIELD_TOO_LONG_FOR_ISO2709": LocalText(
        "Satu ruas lebih dari 9.999 bita; ISO 2709 tidak dapat memuatnya.",
        "A field is over 9,999 bytes; ISO 2709 cannot hold it.",
    ),
    "UNSERIALISABLE_IN_ISO2709": LocalText(
        "Ada isi yang tidak dapat ditulis dalam ISO 2709.", "Something in the record cannot be written in ISO 2709."
    ),
    "UNSERIALISABLE_IN_XML": LocalText(
        "Ada huruf yang tidak boleh ada dalam XML.", "There is a character that XML does not allow."
    ),
}

# Sound records of a kind that the catalogue has no use for.
UNUSABLE = {
    "AUTHORITY_WITHOUT_HEADING": LocalText(
        "Cantuman otoritas tanpa tajuk (1XX).", "The authority record has no heading (1XX)."
    ),
    "AUTHORITY_KIND_UNKNOWN": LocalText(
        "Jenis cantuman otoritas ini tidak dipakai di sini.", "This kind of authority record is not used here."
    ),
}

REASONS: dict[str, LocalText] = {**WARNINGS, **FAULTS, **REFUSALS, **UNUSABLE}


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a stretch of the source is no record: a code of FAULTS, and what was seen where, in English."""

    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Frame:
    """One record's bytes as they stand in the source, or one stretch that holds no record.

    format     "marc", "marcxml" or "json"
    number     ordinal in the source, from 1; faults count too
    position   offset of the first byte in the decompressed source
    raw        the bytes; of a stretch over 8 MB, its beginning
    fault      None when the bytes may be decoded
    namespace  XML namespace that the surroundings give this record's element
    """

    format: str
    number: int
    position: int
    raw: bytes
    fault: Fault | None = None
    namespace: str = ""


class MarcError(Exception):
    """These bytes are no record we can load: a code of FAULTS or UNUSABLE and what was seen, in English."""

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(reason, detail)


class NotSerialisable(Exception):
    """This record cannot be written in this format: a code of REFUSALS and what stands in the way, in English."""

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(reason, detail)
