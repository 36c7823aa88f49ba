"""Rated records -> bills and money owed.

Holds accumulation by account and charge item, recurring charges, tax, bills, ledger entries and
rendering. Main path: accumulate -> recurring -> tax -> bill -> post -> render.
May import tollbook, tariffs, rating.
"""
