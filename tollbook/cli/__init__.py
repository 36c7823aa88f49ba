"""The command line: one module per group of commands. Imports all, imported by none.

Main path: ``main.cli``; commands import what they need inside, so that ``--help`` stays quick.
"""
