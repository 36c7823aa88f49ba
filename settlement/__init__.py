"""Legs -> what carriers owe each other.

Main path: legs of a period -> ``statement.make`` -> one statement per carrier.
May import tollbook, cdr, tariffs, rating.
"""
