"""Motifs of Minangkabau weaving and carving as SVG paths: one per main class, and one for records without a class.

A motif is a tile of 12 by 12 units that is repeated. It has a dark ground colour and a thread colour, as songket cloth.
"""

from __future__ import annotations

from dataclasses import dataclass

TILE = 12


@dataclass(frozen=True, slots=True)
class Weave:
    """A motif and its ground.

    path    SVG path data inside a 12 by 12 tile
    drawn   "fill", or "stroke" for motifs of lines
    ground  background colour
    """

    name: str
    path: str
    drawn: str
    ground: str


WEAVES = {
    # saik kalamai: cakes of palm sugar, cut in diamonds
    "0": Weave("saik kalamai", "M6 0l6 6-6 6-6-6zM6 3.4 3.4 6 6 8.6 8.6 6z", "fill", "#4d443d"),
    # kaluak paku: the tendril of a young fern
    "1": Weave("kaluak paku", "M1 12V6a5 5 0 0 1 10 0 3 3 0 0 1-6 0 1.4 1.4 0 0 1 2.4-1", "stroke", "#452f59"),
    # bintang: stars of eight points
    "2": Weave(
        "bintang",
        "M6 .5 7.4 3.5 10.5 1.5 8.5 4.6 11.5 6 8.5 7.4 10.5 10.5 7.4 8.5 6 11.5 4.6 8.5 1.5 10.5 3.5 7.4 "
        ".5 6 3.5 4.6 1.5 1.5 4.6 3.5z",
        "fill",
        "#1d4d3b",
    ),
    # itiak pulang patang: ducks that go home in a row in the evening
    "3": Weave(
        "itiak pulang patang", "M0 9h4.5a3.4 3.4 0 1 0-3.4-3.4M12 3H7.5a3.4 3.4 0 1 0 3.4 3.4", "stroke", "#70351a"
    ),
    # saluak laka: woven strands of a rattan pot stand
    "4": Weave(
        "saluak laka",
        "M0 3h5M7 3h5M0 9h5M7 9h5M3 0v1.5M3 4.5v3M3 10.5V12M9 0v1.5M9 4.5v3M9 10.5V12",
        "stroke",
        "#244863",
    ),
    # saik ajik: stepped diamonds
    "5": Weave(
        "saik ajik", "M5 0h2v2h2v2h2v2h1v1h-1v2H9v2H7v1H5v-1H3V9H1V7H0V6h1V4h2V2h2zM5 5v2h2V5z", "fill", "#3c521b"
    ),
    # siku-siku: nested angles
    "6": Weave("siku-siku", "M0 6.5 6 .5l6 6M0 10 6 4l6 6M0 13.5 6 7.5l6 6", "stroke", "#65450a"),
    # bungo: blossoms with four petals
    "7": Weave(
        "bungo",
        "M6 6C3 5 3 1.5 6 .5 9 1.5 9 5 6 6 7 3 10.5 3 11.5 6 10.5 9 7 9 6 6 9 7 9 10.5 6 11.5 "
        "3 10.5 3 7 6 6 5 9 1.5 9 .5 6 1.5 3 5 3 6 6z",
        "fill",
        "#6f2443",
    ),
    # pucuak rabuang: bamboo shoots
    "8": Weave("pucuak rabuang", "M0 12 6 0l6 12zM3.5 10.8h5L6 5.600z", "fill", "#6b1712"),
    # gonjong: horn-shaped roofs
    "9": Weave(
        "gonjong", "M0 1c2.5 3.5 4 4.5 6 4.5S9.5 4.5 12 1c-.3 4-1.8 6-3 7v3.5H3V8C1.8 7 .3 5 0 1z", "fill", "#22376b"
    ),
    # batabua: cloth with sparse ornaments
    "x": Weave(
        "batabua",
        "M0 1.2h12M0 10.8h12M6 3.2 8.8 6 6 8.8 3.2 6zM0 4.6 1.4 6 0 7.4M12 4.6 10.6 6 12 7.4",
        "stroke",
        "#5d5046",
    ),
}
# Gold, silver, copper and straw; the second digit of the class selects one.
THREADS = ("#e0b252", "#d5d8dc", "#e39a6b", "#d8cf8a")


def motif(weave: Weave, thread: str) -> str:
    """Return the SVG of a tile. It has only presentation attributes, which a strict Content-Security-Policy allows."""
    if weave.drawn == "fill":
        return f'<path d="{weave.path}" fill="{thread}" fill-rule="evenodd"/>'
    return f'<path d="{weave.path}" fill="none" stroke="{thread}" stroke-width="1.3"/>'


def weave_of(ddc: str) -> Weave:
    """Return the motif of a class, or the motif for records without a class."""
    return WEAVES[ddc[0] if ddc[:1] in WEAVES and ddc[:1].isdigit() else "x"]
