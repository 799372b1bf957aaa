"""People, the organisations they work for, and the projects they work in.

Always holds: a person is ``(issuer, subject)`` of the single sign-on, never an e-mail address. Global roles are what the
claims said at the last sign-in, no more: a role whose claim is gone is gone. A project has exactly one principal
investigator.

- ``roles``: who may what. The answer to "who may approve?" starts here.
- ``actions``: every write to people and roles. ``projects``: every write to projects.
- ``oidc``: what a sign-in tells about a person. ``issuer``: asks the single sign-on.
"""
