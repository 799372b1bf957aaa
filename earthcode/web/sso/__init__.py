"""Signing in and out at the single sign-on, and staying in touch with it while a session lasts.

django-allauth runs the sign-in (redirect, state, PKCE, our session); what a person is and may is decided by
``identity.actions``. There is no other way in: no local accounts, no passwords, no e-mail links.

- ``urls``: all there is of accounts. ``views``: the pages. ``adapters``: where allauth asks us.
- ``middleware``: reads the claims again while somebody is signed in.
"""

#: How allauth's tables and addresses name the one provider there is.
PROVIDER_ID = "earthcode"
#: Where the session keeps which ``identity.SignIn`` it is, and when its claims are to be read again.
SESSION_KEY = "sign_in"
