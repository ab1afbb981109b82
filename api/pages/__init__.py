"""The pages under /: server-rendered, usable without JavaScript. One module per group of pages, templates beside them.

Pages call the same services as the API and are marked with the same lines of the permission table (`@allow`, `@public`).
"""
