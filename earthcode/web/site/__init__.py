"""What is for everybody, whatever they do here.

Home and dashboard, account, notifications, preferences, help, pages for what went wrong, the gallery of components.

The dashboard gathers from every other audience, so this package is on top and nothing imports it.
"""
