"""What the pages of two audiences share: the bar around every page, states in words, lists, forms, histories, drawings.

Here comes what a second audience needs, and not before. Nothing here knows a page.
"""
