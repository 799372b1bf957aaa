"""For organisations that run platforms: becoming a provider, offerings and their drafts, orders, the connection of a platform,
reporting usage, earnings, and who administers the organisation.

What ESA decides on applications and drafts is in ``review``.
"""
