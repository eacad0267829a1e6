"""Jinja templates with the reader's language, escaped by default."""

from typing import Any

import jinja2
from aiohttp import web

from candil.config import Settings
from webapp.assets import Assets
from webapp.i18n import Language, pick_language


class Templates:
    def __init__(self, settings: Settings, assets: Assets) -> None:
        self._settings = settings
        self._environments = {code: self._environment(code, assets) for code in ("es", "en")}
        self.languages = {code: Language(code, settings.clinic.time_zone) for code in ("es", "en")}

    def _environment(self, code: str, assets: Assets) -> jinja2.Environment:
        language = Language(code, self._settings.clinic.time_zone)
        environment = jinja2.Environment(
            loader=jinja2.PackageLoader("webapp"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=["jinja2.ext.i18n"],
        )
        environment.install_gettext_callables(  # type: ignore[attr-defined]
            language.gettext, language.ngettext, newstyle=True
        )
        environment.globals.update(asset=assets.url, lang=language, clinic=self._settings.clinic)
        environment.filters.update(
            day=language.day,
            time=language.time,
            day_and_time=language.day_and_time,
            stamp=language.date_and_time_numeric,
            clock=lambda ms: "{}:{:02}".format(*divmod(round(ms / 1000), 60)),
            kilobytes=lambda count: max(1, round(count / 1000)),
        )
        return environment

    def language_of(self, request: web.Request, chosen: str = "") -> Language:
        """The language of a page: the person's own setting, else what the browser asks for, else the clinic's."""
        code = chosen or request.query.get("lang", "")
        if code not in self.languages:
            code = pick_language(request.headers.get("Accept-Language", ""), self._settings.clinic.locale)
        return self.languages[code]

    def render(self, language: Language, template: str, **values: Any) -> str:
        return self._environments[language.code].get_template(template).render(**values)

    def page(
        self, request: web.Request, template: str, *, locale: str = "", status: int = 200, **values: Any
    ) -> web.Response:
        """A rendered page, compressed when the browser can."""
        text = self.render(self.language_of(request, locale), template, request_path=request.path, **values)
        response = web.Response(text=text, content_type="text/html", status=status)
        response.enable_compression()
        return response
