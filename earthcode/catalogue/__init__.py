"""What can be requested: platforms, their offerings, plans, components and dated rates.

Always holds: the rates of a component never overlap in time (exclusion constraint); a rate is closed, never edited and never
removed (trigger); a price that nobody stated is unknown, never zero.

- ``workload``: what a person means to run, and the one table of what it may say.
- ``component_terms``: the one table of what is agreed on each thing a plan meters, from which prices, files, drafts,
  versions and the API derive. ``terms``: the same resolved for one workload, kept with what was placed.
- ``pricing``: what a workload costs under a plan's rates. Pure, and where amounts are rounded.
- ``queries``: a plan's rates of a day, and quotes for any number of plans in one query.
- ``estimates``: a workload priced under some plans, kept for ever under a link.
- ``entries``: all listed offerings with their prices of a day, in one query; ``kept``: what stays in memory.
- ``offering_price``: the one price that stands for an offering, and what may be said of it beside others.
- ``search``: words, misspellings, facets with counts; reads an index kept in memory as long as the catalogue is unchanged.
- ``versions``: what an offering said and when, and how two versions differ. A request line cites the one it was made from.
- ``records``: the files the catalogue is filled from, checked; ``actions``: the import.
"""
