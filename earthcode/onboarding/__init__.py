"""Becoming a provider: an organisation applies for a platform, ESA looks at the evidence item by item and decides.

Always holds: nobody decides about their own organisation. An application is accepted only when every item that applies to
its kind of platform is accepted. What a machine can look at is looked at (``checks``) and shown beside the evidence; a check
that fails forbids nothing, but whoever accepts all the same says why. Nothing that was said is lost: an application that
was returned, rejected or withdrawn stays readable by those it concerns.

- ``requirements``: what is asked, of which kind of platform, and where that comes from. A new item is one entry there.
- ``lifecycle``: who may move an application and its items.
- ``checks``: what a machine looks at; ``running`` carries it out and stores what was seen.
"""
