"""Conversion of the SVG path data of this project's drawings to polygons, for PNG files. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

Point = tuple[float, float]

_TOKEN = re.compile(r"[A-Za-z]|-?(?:\d+\.?\d*|\.\d+)")
_NUMBERS = {"m": 2, "l": 2, "h": 1, "v": 1, "c": 6, "s": 4, "a": 7, "z": 0}
# Line segments of a curve; a motif is drawn at most 36 pixels wide.
_STEPS = 12


def polygons(path: str) -> list[list[Point]]:
    """Return the subpaths as lists of points. A closed subpath ends at its first point. Arcs must be circular.

    raises  ValueError  a command other than M L H V C S A Z
    """
    subpaths: list[list[Point]] = []
    at: Point = (0.0, 0.0)
    control = at
    for command, numbers in _commands(path):
        lower = command.lower()
        x, y = at if command.islower() else (0.0, 0.0)
        if lower == "z":
            subpaths[-1].append(subpaths[-1][0])
            at = control = subpaths[-1][0]
            continue
        if lower == "m":
            at = control = (x + numbers[0], y + numbers[1])
            subpaths.append([at])
            continue
        if not subpaths or (len(subpaths[-1]) > 1 and subpaths[-1][-1] != at):
            subpaths.append([at])
        end = _end(lower, numbers, at, x, y)
        if lower in ("c", "s"):
            pairs = [(x + dx, y + dy) for dx, dy in zip(numbers[::2], numbers[1::2], strict=True)]
            first = pairs[0] if lower == "c" else (2 * at[0] - control[0], 2 * at[1] - control[1])
            control = pairs[-2]
            subpaths[-1] += _curve(at, first, control, end)
        else:
            subpaths[-1] += _arc(at, end, numbers) if lower == "a" else [end]
            control = end
        at = end
    return subpaths


def _commands(path: str) -> Iterator[tuple[str, list[float]]]:
    """Yield each command with its numbers; a repeated command may omit its letter."""
    tokens = _TOKEN.findall(path)
    command, place = "", 0
    while place < len(tokens):
        if tokens[place].isalpha():
            command, place = tokens[place], place + 1
            if command.lower() not in _NUMBERS:
                raise ValueError(f"path command {command}")
        size = _NUMBERS[command.lower()]
        yield command, [float(token) for token in tokens[place : place + size]]
        place += size
        # Pairs after a move are lines (SVG 2 §9.3.3).
        command = {"m": "l", "M": "L"}.get(command, command)


def _end(lower: str, numbers: list[float], at: Point, x: float, y: float) -> Point:
    if lower == "h":
        return (x + numbers[0], at[1])
    if lower == "v":
        return (at[0], y + numbers[0])
    return (x + numbers[-2], y + numbers[-1])


def _curve(start: Point, first: Point, second: Point, end: Point) -> list[Point]:
    points = []
    for step in range(1, _STEPS + 1):
        t = step / _STEPS
        weights = ((1 - t) ** 3, 3 * (1 - t) ** 2 * t, 3 * (1 - t) * t * t, t**3)
        knots = (start, first, second, end)
        points.append((sum(w * k[0] for w, k in zip(weights, knots, strict=True)),
                       sum(w * k[1] for w, k in zip(weights, knots, strict=True))))  # fmt: skip
    return points


def _arc(start: Point, end: Point, numbers: list[float]) -> list[Point]:
    """Return the points of an arc of a circle (SVG 2, appendix B.2.4, with rx = ry)."""
    radius, is_large, sweep = numbers[0], bool(numbers[3]), bool(numbers[4])
    dx, dy = (start[0] - end[0]) / 2, (start[1] - end[1]) / 2
    half = math.hypot(dx, dy)
    radius = max(radius, half)
    factor = math.sqrt(radius * radius - half * half) / (half or 1) * (-1 if is_large == sweep else 1)
    centre = ((start[0] + end[0]) / 2 + factor * dy, (start[1] + end[1]) / 2 - factor * dx)
    from_angle = math.atan2(start[1] - centre[1], start[0] - centre[0])
    turn = math.atan2(end[1] - centre[1], end[0] - centre[0]) - from_angle
    if sweep and turn <= 0:
        turn += 2 * math.pi
    elif not sweep and turn >= 0:
        turn -= 2 * math.pi
    return [
        (centre[0] + radius * math.cos(from_angle + turn * step / _STEPS),
         centre[1] + radius * math.sin(from_angle + turn * step / _STEPS))
        for step in range(1, _STEPS + 1)
    ]  # fmt: skip
