"""``python -m tollbook``: the same as the command ``tollbook``."""

from tollbook.cli.main import cli

if __name__ == "__main__":
    cli(prog_name="tollbook")
