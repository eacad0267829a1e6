"""After the visit: what the doctor told the patient, on the same link, to read again and to print."""

from datetime import date, datetime

from aiohttp import web

from candil.consults import finishing, gallery
from candil.consults.links import Seat
from candil.store import participants
from webapp.context import context
from webapp.guards import OfSeat, Route
from webapp.i18n import Language
from webapp.pages.language import page_in, reader_locale


async def summary(request: web.Request, seat: Seat) -> web.Response:
    ctx, locale = context(request), reader_locale(request, seat.consult.locale)
    record, attachments, people = await ctx.db.read(
        lambda tx: (
            finishing.signed(tx, seat.consult.id),
            gallery.readable(tx, seat.consult, seat.participant.id),
            participants.of_consult(tx, seat.consult.id),
        )
    )
    started = datetime.fromisoformat(record.started_at).timestamp()
    return page_in(
        request,
        "patient/summary.html",
        locale,
        record=record,
        started=started,
        attachments=attachments,
        names={person.id: person.name for person in people},
        base=f"/v/{seat.participant.id}",
        next_when=when_text(record.next_action.when, ctx.templates.languages[locale]),
    )


def when_text(when: str, language: Language) -> str:
    """The date of the next step in words: a whole day, or a day with its time when the doctor gave one."""
    if not when:
        return ""
    if len(when) == 10:
        noon = datetime.combine(date.fromisoformat(when), datetime.min.time(), language.zone).replace(hour=12)
        return language.day(noon.timestamp())
    return language.day_and_time(datetime.fromisoformat(when).timestamp())


ROUTES = [Route("GET", "/v/{participant}/summary", summary, OfSeat("summary.view"))]
