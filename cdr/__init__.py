"""Files from the network -> cdr batches.

Holds layouts (what a file looks like, as data), the decoders of text (``delimited``) and of native
files (``native_reader``, over the BER walker ``ber``), the table of formats, and the synthesiser
that writes text. Main path: ``formats.READERS`` -> the ``decode`` of one of these.
May import tollbook.
"""
