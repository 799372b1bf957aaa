"""Find by science: workflows and experiments of the Open Science Catalog, and the offerings that can run them.

Always holds: what is stored is what the catalogue's files say, with their address and when they were read; a record that
disappeared from the files is withdrawn, not deleted; what a file does not state is unknown, and said to be derived where
we read it from something else; no names and no e-mail addresses of people are taken over.

- ``osc``: the catalogue's files, read with all their variants; tells file and line of what cannot be used.
- ``linking``: which offerings can run a record, and why. Pure.
- ``queries``: search, filters with counts, the two sides of the links; ``actions``: the import.

Every change to its rows moves the catalogue's state on (``sql/state.sql``), so pages made from both know when they are stale.
"""
