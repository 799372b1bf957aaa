"""What ESA decides, for managers and reviewers: requests, applications of providers, drafts of offerings, and the calls that pay.

``queues`` has the bar of tabs over its lists; a new list is one line there.
"""
