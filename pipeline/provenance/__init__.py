"""What a picture says of its own origin: marks put into its file, credentials that sign it, and both read back.

`marking` is what an export calls for each file that it writes; `reading` says what any file says of itself. Metadata is
put in losslessly: not one pixel is encoded anew. It goes in first and the signature last, since whatever is changed
after signing breaks the signature.
"""
