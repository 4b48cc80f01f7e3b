"""A real HTTP server that speaks OpenAI's and OpenOctopus's image APIs, without a key and for free.

It also answers those who ask what is in a picture, as Google, Amazon and OpenAI's chat do: see `sight.py`. It edits
pictures with the local engine, bills by the same published prices, keeps a ledger of its own, and can be told to be
slow, to refuse, to limit the rate, to drop connections after billing and to answer garbage. The tests run against it,
and so does anybody who wants to try the whole desk: ``picturedesk fake-api``.
"""
