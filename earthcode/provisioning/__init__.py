"""From an award to access on a platform: allocations, and the operations that make them real.

Always holds: an operation is a row; it is claimed with a lease, its connector is called with no transaction open and
with a key that never changes, so that it happens once however often a worker dies. ``operations`` is the runner.
"""
