"""Usage reports, charges, provider statements and close-out.

- ``usage_lines``: what a line of a report must say, and how it is read.
- ``rating``: what a quantity costs by the terms stored with its allocation.
- ``actions.record_usage``: the one way in, however usage arrives. A line counts once, whatever is sent how often.
- ``polling``: usage asked of platforms by the clock. ``alerts`` and ``exhaustion``: what happens as credits run out.
- ``statements``: what a provider has earned in a month, agreed line by line, invoiced and paid; ``refunds`` gives charges back.
- ``people``: how a person is deactivated or erased. ``heads``: the ends of trail and books, written outside the site.
- ``books``: the nightly verification of the ledger and of what was charged against it; ESA managers are told of what it finds.

What always holds: usage that really happened is recorded. What no hold covers becomes the award's debt; what cannot be rated
waits, with the reason. The charges of an allocation add up to what the ledger took from its hold.
"""
