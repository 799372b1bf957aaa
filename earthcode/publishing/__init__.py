"""Providers run their offerings: drafts, publishing, limits, maintenance, announcements, retirement.

Always holds: what is public changes only when a draft is published, whole and once; facts the provider may publish alone,
prices, plans, the tier and lower limits only with the approval of ESA, by somebody of another organisation; a rate is
followed by another one, never edited; a raised price and a retirement have their notice.

- ``content``: what a draft says, in the form of the catalogue's files; its sections, its digest, what differs.
- ``lifecycle``: who may publish what. ``actions``: drafts. ``notices``: maintenance, announcements, retirement.
- ``queries``: what is near, what a provider's trail holds. Whom an announcement concerns, ``provisioning`` knows.
"""
