"""The pages, by audience. Thin: read the request, call one action, answer. ``templates/<area>/`` mirrors the modules."""
