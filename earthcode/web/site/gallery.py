"""The gallery: every component of ``templates/components`` with invented data, for those who write pages."""

from __future__ import annotations

from datetime import date
from typing import Any

from django import forms
from django.contrib.messages import constants as levels
from django.contrib.messages.storage.base import Message
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from earthcode.catalogue.search import Option
from earthcode.lib.money import credits as cr
from earthcode.web.catalogue.cards import Action, Card, Fact
from earthcode.web.catalogue.price_words import Headline
from earthcode.web.catalogue.tray import Ticked, Tray
from earthcode.web.parts.forms import Form
from earthcode.web.parts.lists import ListPage
from earthcode.web.parts.statuses import STATUSES

PRICES = [cr(each) for each in (1118, 1290, 1460, 1795, 2240, 2980, 3010, 3120, 3300, 3650, 4100, 4380, 4760)]
BALANCE = cr(2684)

#: What the tokens of ``static/css/tokens.css`` are for, in the order in which the gallery shows them.
SWATCHES = [
    ("paper", _("page")),
    ("surface", _("panels")),
    ("sunk", _("quotes, hover")),
    ("ink", _("text")),
    ("ink-2", _("second text")),
    ("ink-3", _("third text")),
    ("line-strong", _("edges of controls")),
    ("accent", _("action")),
    ("ok", _("good")),
    ("info", _("news")),
    ("think", _("being read")),
    ("warn", _("watch this")),
    ("bad", _("wrong")),
    ("c1", _("chart 1: left")),
    ("c2", _("chart 2: plain")),
    ("c3", _("chart 3: look here")),
    ("c4", _("chart 4")),
    ("c5", _("chart 5")),
    ("c6", _("chart 6: over")),
]
ICONS = [
    "sat", "chip", "ways", "pin", "gauge", "key", "talk", "blank", "esa", "sliders",
    "search", "bell", "theme", "menu", "x", "check", "alert", "info", "q", "ext", "file", "bolt", "up", "down", "left",
    "right", "user", "plus", "lock", "clock", "ph0", "ph1", "ph2", "ph3", "ph4", "ph-q", "ph-x",
]  # fmt: skip


class SampleForm(Form):
    """One field of each kind that pages use."""

    title = forms.CharField(label=_("Project title"), max_length=200)
    amount = forms.IntegerField(
        label=_("Credits you need"),
        help_text=_("From your estimate: 2 240. You can ask for more and say why."),
        min_value=100,
        max_value=6000,
        error_messages={"max_value": _("Enter a number of credits between 100 and 6 000")},
        widget=forms.NumberInput(attrs={"data-unit": "credits"}),
    )
    starts_on = forms.DateField(
        label=_("First day"), widget=forms.DateInput(attrs={"type": "date"}), initial=date(2026, 12, 1)
    )
    country = forms.ChoiceField(
        label=_("Country"), choices=[("", _("Choose a country")), ("AT", _("Austria")), ("PL", _("Poland"))]
    )
    case = forms.CharField(
        label=_("Science case"),
        help_text=_("Markdown. At most 300 words."),
        required=False,
        widget=forms.Textarea(attrs={"rows": 4}),
    )
    period = forms.ChoiceField(
        label=_("How long"),
        choices=[("6", _("Six months")), ("12", _("A year"))],
        widget=forms.RadioSelect,
        initial="6",
    )
    interfaces = forms.MultipleChoiceField(
        label=_("How you work"),
        choices=[("jupyterlab", "JupyterLab"), ("openeo", "openEO")],
        widget=forms.CheckboxSelectMultiple,
        required=False,
    )
    non_commercial = forms.BooleanField(
        label=_("This is research, without commercial gain"),
        help_text=_("The Network of Resources pays for nothing else."),
    )


class SampleWorkload(Form):
    """The workload that prices are for."""

    vcpu = forms.IntegerField(label=_("Processors"), widget=forms.NumberInput(attrs={"data-unit": "vCPU"}), initial=8)
    memory = forms.IntegerField(label=_("Memory"), widget=forms.NumberInput(attrs={"data-unit": "GB"}), initial=32)
    gpu = forms.ChoiceField(label=_("GPU"), choices=[("", _("None")), ("l4", "1 × L4")], required=False)
    hours = forms.IntegerField(
        label=_("Running time"), widget=forms.NumberInput(attrs={"data-unit": "h/month"}), initial=60
    )
    storage = forms.IntegerField(label=_("Storage"), widget=forms.NumberInput(attrs={"data-unit": "GB"}), initial=500)
    months = forms.IntegerField(label=_("Duration"), widget=forms.NumberInput(attrs={"data-unit": "months"}), initial=6)


def gallery(request: HttpRequest) -> HttpResponse:
    """Each component, drawn once or more, under a heading that names its file."""
    return TemplateResponse(request, "site/gallery/index.html", samples())


def samples() -> dict[str, Any]:
    """The invented data. Nobody and nothing here exists."""
    broken = SampleForm(
        {"title": "Snow on glaciers", "amount": "12000", "starts_on": "2026-12-01", "country": "AT", "period": "6"}
    )
    return {
        "swatches": SWATCHES,
        "icons": ICONS,
        "statuses": STATUSES.items(),
        "sample_form": SampleForm(auto_id="fresh_%s"),
        "broken_form": broken,
        "workload_form": SampleWorkload(auto_id="workload_%s"),
        "notices": [
            {"kind": "info", "title": _("Prices of 1 November 2026"), "text": _("They are checked every month.")},
            {"kind": "ok", "text": _("Your request has been sent. Its number is NOR-2026-0417.")},
            {
                "kind": "warn",
                "title": _("Credits will run out 39 days before your allocation ends"),
                "text": _("You are using 38 credits a day, up from 31 in October."),
                "url": "#notice",
                "action": _("Request a top-up"),
            },
            {"kind": "bad", "title": _("The platform did not answer"), "text": _("We try again in 5 minutes.")},
        ],
        "sample_messages": [
            Message(levels.SUCCESS, gettext("Saved.")),
            Message(levels.ERROR, gettext("Nothing has changed. Someone else was faster.")),
        ],
        "tiles": [
            ("oEO", "a"),
            ("HUB", "b"),
            ("CUB", "c"),
            ("SEA", "d"),
            ("VM", "e"),
            ("S3", "f"),
            ("GPU", "g"),
            ("TEP", "h"),
        ],
        "cards": _cards(),
        "prices": PRICES,
        "price": cr(2240),
        "balance": BALANCE,
        "facets": [
            {
                "title": _("How you work"),
                "name": "interface",
                "options": [
                    Option("jupyterlab", "JupyterLab", 16, checked=True),
                    Option("openeo", "openEO", 4, checked=False),
                    Option("s3", str(_("S3 storage")), 0, checked=False),
                ],
                "more": [Option("stac", "STAC", 2, checked=False)],
            }
        ],
        "tabs": [
            {"label": _("To decide"), "url": "#tabs", "count": 12, "current": True},
            {"label": _("Waiting for applicant"), "url": "#tabs", "count": 4, "current": False},
            {"label": _("Decided"), "url": "#tabs", "count": None, "current": False},
        ],
        "figures": [
            {"label": _("Credits left"), "value": "2 684", "note": _("56% of 4 800 granted"), "main": True},
            {"label": _("Used in the last 7 days"), "value": "335", "note": _("66% more than before"), "tone": "warn"},
            {"label": _("Runs out"), "value": _("1 Feb"), "note": _("likely between 20 Jan and 16 Feb")},
            {"label": _("Allocation ends"), "value": _("12 Mar"), "note": _("110 days from now")},
        ],
        "facts": [
            {"label": _("Asks for"), "value": _("6 000 credits")},
            {"label": _("On"), "value": _("Data cubes, Science plan")},
            {"label": _("For"), "value": _("6 months from 1 Dec")},
            {"label": _("Call"), "value": _("Open Science 2026")},
        ],
        "lines": [
            {"label": _("16 vCPU, 64 GB"), "detail": _("120 h a month"), "amount": cr(3140)},
            {"label": _("1 × L4 GPU"), "detail": _("30 h a month"), "amount": cr(1660)},
            {"label": _("Archive data"), "detail": _("on demand"), "amount": None},
        ],
        "total": cr(4800),
        "rows": [
            {
                "on": date(2026, 11, 22),
                "text": _("Usage, batch and notebooks"),
                "reference": "USE-1122",
                "amount": -cr("17.4"),
                "balance": cr("2684"),
            },
            {
                "on": date(2026, 11, 20),
                "text": _("Correction, failed job refunded"),
                "reference": "ADJ-0092",
                "amount": cr("12.4"),
                "balance": cr("2701.4"),
            },
            {
                "on": date(2026, 11, 3),
                "text": _("Top-up granted by ESA"),
                "reference": "AWD-0417-2",
                "amount": cr(1200),
                "balance": cr("2689"),
            },
        ],
        "calls": [
            {
                "name": _("Open Science 2026"),
                "url": "#call_bar",
                "total": cr(120_000),
                "free": cr(14_200),
                "spent": cr(71_300),
                "committed": cr(34_500),
                "pending": cr(6000),
            },
            {
                "name": _("Training"),
                "url": "",
                "total": cr(15_000),
                "free": cr(4050),
                "spent": cr(9800),
                "committed": cr(1150),
                "pending": 0,
            },
        ],
        "queue": [
            {
                "url": "#queue_item",
                "title": _("Flood extent, 2015 to 2026"),
                "people": _("A. Example, University of Example"),
                "platforms": _("Hazards platform"),
                "amount": cr(2400),
                "due": _("2 days late"),
                "due_tone": "late",
                "current": False,
                "value": "1",
            },
            {
                "url": "#queue_item",
                "title": _("Methane super-emitters"),
                "people": _("B. Example, Institute of Example"),
                "platforms": _("Data cubes"),
                "amount": cr(6000),
                "due": _("2 days left"),
                "due_tone": "soon",
                "current": True,
                "value": "2",
            },
            {
                "url": "#queue_item",
                "title": _("Arctic lake ice"),
                "people": _("C. Example, Example Centre"),
                "platforms": _("Polar notebooks and 1 more"),
                "amount": cr(3200),
                "due": _("4 days left"),
                "due_tone": "",
                "current": False,
                "value": "3",
            },
        ],
        "options": [
            {"value": "full", "label": _("Approve in full"), "key": "a", "checked": False},
            {"value": "part", "label": _("Approve part"), "key": "p", "checked": True},
            {"value": "ask", "label": _("Ask a question"), "key": "q", "checked": False},
            {"value": "reject", "label": _("Reject"), "key": "r", "checked": False},
        ],
        "checks": [
            {"outcome": "pass", "sentence": _("Works in an eligible country")},
            {"outcome": "warn", "sentence": _("Takes 42% of what is left in the call")},
            {"outcome": "fail", "sentence": _("No word from the Technical Officer yet")},
        ],
        "people": [
            {"initials": "AE", "name": _("A. Example"), "role": _("Principal investigator")},
            {"initials": "BE", "name": _("B. Example"), "role": _("Member")},
        ],
        "coming": [
            {
                "icon": "ph0",
                "title": _("Allocation ends"),
                "text": _("12 March 2027. We remind you 30, 14 and 3 days before."),
            }
        ],
        "past": [
            {"icon": "ph4", "title": _("Active"), "text": _("Since 18 September"), "now": True},
            {
                "icon": "ph3",
                "title": _("Approved in part"),
                "text": _("14 September, ESA"),
                "quote": _("Granted 3 600 of 6 000. Ask for more once the 2025 season is published."),
            },
            {"icon": "ph1", "title": _("Submitted"), "text": _("1 September, A. Example")},
        ],
        "tasks": [
            {
                "title": _("Project and team"),
                "url": "#task_list",
                "hint": _("Snow on glaciers, 3 people"),
                "state": "completed",
            },
            {"title": _("Science case"), "url": "#task_list", "hint": _("About 20 minutes"), "state": "in_progress"},
            {"title": _("Workload and cost"), "url": "#task_list", "hint": "", "state": "not_started"},
            {"title": _("Service level"), "url": "#task_list", "hint": "", "state": "returned"},
            {"title": _("Support"), "url": "#task_list", "hint": _("1 check was inconclusive"), "state": "accepted"},
            {
                "title": _("Check and submit"),
                "url": "",
                "hint": _("Opens when the rest is complete"),
                "state": "cannot_start",
            },
        ],
        "answers": [
            {"label": _("Project"), "value": _("Snow on glaciers"), "url": "#check_answers"},
            {
                "label": _("Science case"),
                "value": _("We map snow lines.\nThe results go to the Open Science Catalog."),
                "url": "#check_answers",
                "multiline": True,
            },
            {"label": _("Technical Officer"), "value": "", "url": "#check_answers"},
        ],
        "tray": Tray(
            slugs=("notebooks", "process-graphs"),
            ticked=[
                Ticked("Notebooks with Dask", "#offering_card"),
                Ticked("Process graphs on an archive", "#offering_card"),
            ],
            clear_url="#offering_card",
            compare_url="#offering_card",
        ),
        "page": ListPage(
            rows=[],
            count=137,
            number=2,
            pages=6,
            first=26,
            last=50,
            previous_url="?page=1#pager",
            next_url="?page=3#pager",
        ),
        "text": _(
            "Weekly mosaics, **40 sites** in the pilot:\n\n1. detect sources\n2. attribute them\n\nCode is in `example/snow`."
        ),
    }


def _cards() -> list[Card]:
    estimate = Action(_now("Estimate"), "#offering_card")
    request = Action(_now("Request"), "#offering_card", is_main=True)
    return [
        Card(
            url="#offering_card",
            title=_now("Process graphs on an archive"),
            provider=_now("Example Data Space"),
            summary=_now(
                "Run process graphs next to the full Sentinel archive. No machines to manage; you pay for processing."
            ),
            code="oEO",
            mark="process",
            headline=Headline("1\u202f118", "cr", total=cr(1118), is_number=True),
            facts=[
                Fact("sat", _now("Data"), "Sentinel-1, 2, 3", 4),
                Fact("ways", _now("Ways to work"), "openEO, STAC"),
            ],
            unstated=[_now("hardware")],
            is_integrated=True,
            prices=PRICES,
            balance=BALANCE,
            fits=True,
            fit_text=_now("Fits your 2 684 credits"),
            actions=[estimate, request],
            compare_value="process-graphs",
        ),
        Card(
            url="#offering_card",
            title=_now("Notebooks with Dask"),
            provider=_now("Example Cloud"),
            summary=_now("JupyterLab with your own Dask Gateway, xarray and zarr ready to go. Scales to 200 workers."),
            code="NB",
            mark="notebook",
            headline=Headline("2\u202f980", "cr", total=cr(2980), is_number=True),
            facts=[
                Fact("ways", _now("Ways to work"), "JupyterLab, Dask"),
                Fact("pin", _now("Place"), _now("Frankfurt")),
            ],
            prices=PRICES,
            balance=BALANCE,
            fits=False,
            fit_text=_now("You have 2 684 cr free: ask for 296 more"),
            actions=[estimate, request],
            compare_value="notebooks",
            selected=True,
        ),
        Card(
            url="#offering_card",
            title=_now("Very high resolution archive"),
            provider=_now("Example Imaging"),
            summary=_now("Archive scenes at 50 cm, by area and licence."),
            code="VHR",
            mark="imagery",
            headline=Headline(_now("Price on request")),
            unstated=[_now("data"), _now("hardware"), _now("place")],
            flag={"label": _now("You administer it"), "tone": "mute", "icon": ""},
            is_sponsored=True,
            actions=[Action(_now("Ask for a price"), "#offering_card")],
        ),
    ]
