"""Files from the network -> cdr batches.

Holds layouts (what a file looks like, as data), the delimited decoder, the table of formats and
the synthesiser that writes such files. Main path: ``formats.READERS`` -> ``delimited.decode``.
May import tollbook.
"""
