"""From a resource request to an award: calls, requests, quotations, checks, endorsements, decisions.

Always holds: what was asked is computed from frozen rates; nobody decides on what they have an interest in; a decision
has a person, a time and a reason; nothing disappears. ``lifecycle`` says who may move a request.
"""
