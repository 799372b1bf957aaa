"""The single sign-on of the demo: a real OpenID provider (django-oauth-toolkit) with a page to choose who to be.

It is a Django project of its own, with its own settings, database and server, and knows nothing of the marketplace:
put a real issuer in ``OIDC_ISSUER`` and it falls away. There are no passwords, so it listens on the loopback address
only.
"""
