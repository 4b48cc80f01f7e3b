"""The HTTP routes, under ``/api/page``.

answers.py    JSON in, JSON out; what each error becomes
bodies.py     what a request may say
reviewing.py  session, claims, prices, decisions, undo, edits
pictures.py   pictures and downloads
"""
