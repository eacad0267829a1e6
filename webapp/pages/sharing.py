"""Showing a link once, in every way people send one. The token exists only in this answer and the message."""

import io

import segno
from aiohttp import web
from msgspec import structs

from candil.consults.accounts import SignedIn
from candil.consults.permissions import Role
from candil.store.consults import ConsultRow
from candil.store.participants import ParticipantRow
from webapp.context import WebContext, context
from webapp.pages.staff_forms import is_fragment, page

SMS_CHARS = 70


def link_url(ctx: WebContext, token: str) -> str:
    """The address a patient or guest opens."""
    return f"{ctx.origin}/i/{token}"


def qr_svg(url: str) -> str:
    """The link as a QR code, inline SVG; colours come from the page's style."""
    out = io.BytesIO()
    segno.make(url, error="m", micro=False).save(
        out, kind="svg", xmldecl=False, svgns=False, omitsize=True, border=2, svgclass="qr", lineclass="qr-line"
    )
    return out.getvalue().decode()


def answer(
    request: web.Request, who: SignedIn, consult: ConsultRow, participant: ParticipantRow, token: str
) -> web.Response:
    """The share page, or only its sheet for a script. A guest's texts carry no phone: it is the patient's."""
    ctx = context(request)
    url = link_url(ctx, token)
    addressed = consult if participant.role == Role.PATIENT else structs.replace(consult, patient_phone="")
    return page(
        request,
        who,
        "doctor/share_sheet.html" if is_fragment(request) else "doctor/share.html",
        consult=consult,
        participant=participant,
        texts=ctx.share_texts(addressed, url, consult.locale),
        sms_chars=SMS_CHARS,
        qr=qr_svg(url),
    )
