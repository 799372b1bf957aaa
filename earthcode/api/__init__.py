"""The HTTP API, version 1, for the bearer tokens of the same single sign-on. Thin: parse, call one action, answer."""
