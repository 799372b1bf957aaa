"""Small things every layer may use and that know nothing of EarthCODE.

- ``errors``: ``Refused``, the one way to say "no" to a person, with a stable code.
- ``money``: credits as whole micro-credits, and the one rounding rule.
- ``fetch``: read an address that a stranger gives, without reaching inside our network.
- ``claim``: take rows off a table that serves as a work queue.
- ``sqlfiles``, ``objects``, ``rights``, ``database``: functions and triggers in readable files, and whether a database is the one
  this release was written for.
- ``http``: what pages and API answer alike.
- ``environments``: make a virtual environment from a lock file; a program that needs nothing but Python.
"""
