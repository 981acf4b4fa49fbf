"""QR codes (ISO/IEC 18004) and Code 128 as SVG elements; reportlab computes the modules."""

from __future__ import annotations

from markupsafe import Markup

# Width of the quiet zone around the code, in modules, as ISO/IEC 18004 requires.
QUIET = 4
# The same on both sides of a Code 128, as ISO/IEC 15417 requires.
QUIET_BARS = 10


def qr_svg(text: str, *, label: str) -> Markup:
    """Draw a QR code as an SVG element, black on white in every colour scheme.

    label  text alternative
    """
    # This import takes a tenth of a second, and few pages draw a code.
    from reportlab.graphics.barcode.qrencoder import QRCode, QRErrorCorrectLevel

    code = QRCode(None, QRErrorCorrectLevel.M)
    code.addData(text)
    code.make()
    modules = code.getModuleCount()
    side = modules + 2 * QUIET
    path = "".join(
        f"M{column + QUIET} {row + QUIET}h1v1h-1z"
        for row in range(modules)
        for column in range(modules)
        if code.isDark(row, column)
    )
    return Markup(
        '<svg class="qr" viewBox="0 0 {side} {side}" role="img" aria-label="{label}" shape-rendering="crispEdges">'
        '<path fill="#fff" d="M0 0h{side}v{side}H0z"/><path fill="#000" d="{path}"/></svg>'
    ).format(side=side, label=label, path=path)


def code128_svg(text: str, *, label: str) -> Markup:
    """Draw a Code 128 (ISO/IEC 15417) as an SVG element, black on white in every colour scheme.

    label  text alternative
    """
    # As above.
    from reportlab.graphics.barcode.code128 import Code128

    code = Code128(text, quiet=False)
    assert code.width > 0  # reading the width encodes the text
    x, path = QUIET_BARS, ""
    # A capital letter is a bar and a small one a space; A and a are one module wide.
    for letter in code.decomposed:
        if letter.isupper():
            modules = ord(letter) - ord("A") + 1
            path += f"M{x} 0h{modules}v1h-{modules}z"
        else:
            modules = ord(letter) - ord("a") + 1
        x += modules
    return Markup(
        '<svg class="bars" viewBox="0 0 {width} 1" preserveAspectRatio="none" role="img" aria-label="{label}"'
        ' shape-rendering="crispEdges"><path fill="#fff" d="M0 0h{width}v1H0z"/><path fill="#000" d="{path}"/></svg>'
    ).format(width=x + QUIET_BARS, label=label, path=path)
