"""The run: plan, catalogue, lake, commit, pipeline. Imports all, imported by none.

Main path: ``pipeline.STAGES`` names the stages in order; ``night.run`` drives them.
"""
