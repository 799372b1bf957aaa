"""People, the organisations they work for, and the projects they work in.

Always holds: a person is ``(issuer, subject)`` of the single sign-on, never an e-mail address. Global roles are what the
claims said at the last sign-in: a role whose claim is gone is gone. Only the administrators of a provider can also be
named on the site. A project has exactly one principal investigator.

- ``roles``: who may what. The answer to "who may approve?" starts here.
- ``actions``: every write to people and roles. ``projects``: every write to projects.
- ``administrators``: who looks after a provider, where that was given here.
- ``oidc``: what a sign-in tells about a person. ``issuer``: asks the single sign-on.
"""
