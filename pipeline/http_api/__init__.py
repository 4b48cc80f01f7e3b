"""What programs ask of a desk: the functions behind ``/api/v1``, one for each operation, and behind the gateway.

shapes.py      what a request may say and what an answer says: validates, serialises, and is the description
submitting.py  pictures into a batch
looking.py     batches, edits and pictures, page by page
acting.py      decisions, and batches as a whole
exporting.py   what is approved, as files
gateway.py     edits as OpenAI's client asks for them
once.py        a write that is sent twice is carried out once
cursors.py     where the next page begins
rates.py       how often somebody may ask
"""
