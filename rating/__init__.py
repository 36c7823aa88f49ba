"""cdr x tariffs -> usage -> rated, legs.

Holds validation, number normalisation, guiding, duplicates, the rating kernels, interconnect legs
and the explanation of a price.
Main path: validate -> normalise -> guide -> deduplicate -> rate -> settle.
May import tollbook, cdr, tariffs.
"""
