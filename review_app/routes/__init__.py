"""The HTTP routes: the page's own under ``/api/page``, those for programs in ``v1``, and OpenAI's in ``gateway``.

answers.py    JSON in, JSON out; what each error becomes
bodies.py     what a request may say
reviewing.py  session, claims, prices, decisions, undo, edits
pictures.py   pictures and downloads
gateway.py    ``/v1/images/edits`` for OpenAI's client
v1            the HTTP API
"""
