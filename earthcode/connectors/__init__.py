"""Our side of the platforms' APIs: one file for each kind, and no database.

``base`` is the contract. To add a connector: write ``<kind>.py``, name it in ``settings.CONNECTORS``, and add one test
module against the real server; the contract tests then run against it too.
"""
