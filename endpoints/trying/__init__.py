"""Trying an endpoint from its page: one request, which the web process sends.

`asked` is what may be sent, `sending` sends it and tells what comes back as it comes,
`showing` turns an answer into what a page can show.
"""
