"""What a project has: its people, its awards, its allocations with their access and use, and the statements of its credits.

How an allocation looks in a list is in ``parts``: the provider sees the same ones as orders.
"""
