"""The base: money, codes, reasons, schemas, errors, text files, clocks, jit, the workspace.

Main path: ``workspace.load`` reads an operator's folder; ``schemas`` says what the stages pass on;
``run/pipeline.py`` (the top layer, with ``cli/``) strings the stages together.
Modules directly in this folder import nothing of ours but each other; ``run`` and ``cli`` import
everything and are imported by nothing.
"""
