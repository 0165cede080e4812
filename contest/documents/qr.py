"""QR codes, drawn as one path: sharp at every size, in a page and in print."""

from io import BytesIO

import segno

QUIET_ZONE = 4


def qr_svg(text: str, *, light: str | None = None) -> str:
    """Return a QR code as an <svg> element without size or style; `light` fills the ground.

    It fills the box its page gives it, and needs no exception from the content security policy.
    """
    file = BytesIO()
    segno.make(text, error="m", micro=False).save(
        file,
        kind="svg",
        border=QUIET_ZONE,
        light=light,
        xmldecl=False,
        omitsize=True,
        svgclass=None,
        lineclass=None,
        nl=False,
    )
    return file.getvalue().decode()
