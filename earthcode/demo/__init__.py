"""The whole site on one machine with demo data: ``make demo``.

Real parts throughout: PostgreSQL from a wheel, an OpenID provider, a JupyterHub, a worker and a clock. Nothing here is
imported by the site itself.
"""
