"""Our side of the platforms' APIs: one file for each kind, and no database.

``base`` is the contract, ``usage`` what was used, ``configuration`` typed settings, ``reasons`` why something was not done,
``rest`` and ``reading`` what connectors to REST APIs share, ``registry`` finds them. How to add one:
docs/writing-a-connector.md.
"""
