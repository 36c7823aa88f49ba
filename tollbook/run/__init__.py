"""The run: plan, catalogue, lake, commit, pipeline. Imports all, imported by none.

Main path: ``pipeline.STAGES`` names the stages in order; ``nightly.run`` plans and drives them.
"""
