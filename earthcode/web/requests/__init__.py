"""Asking for credits, for scientists and their Technical Officer.

The list, a new request, its hub and tasks, its page, quotations of providers.

What ESA decides on it is in ``review``; what became of it is in ``projects``.
"""
