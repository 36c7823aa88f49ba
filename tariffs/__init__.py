"""Tariff text -> read-only arrays.

Holds the tariff book's model (frozen dataclasses), its parser and checks, agreements between
carriers, and the compiler into arrays.
Main path: ``book.load`` (which ends in ``check.check``) -> ``compiler.compile_book``.
May import tollbook.
"""
