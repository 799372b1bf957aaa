"""The pages, in packages by audience. Thin: read the request, call one action, answer.

From top to bottom: ``site`` · ``review``, ``projects`` · ``provider``, ``requests`` · ``catalogue``, ``books`` · ``parts``.
A package may use those below it, not those beside or above (``pyproject.toml``, contract "pages"). What two audiences share
is in ``parts``; what only looks like sharing stays apart. ``templates/`` and ``tests/web/`` have folders of the same names, and
each package names its addresses in its ``urls.py``.

Beside them: ``sso`` signs people in and out, ``templatetags`` draws, ``checks`` explains a wrong setting before the site
starts, ``static_storage`` and ``formats`` are hooks of Django.
"""
