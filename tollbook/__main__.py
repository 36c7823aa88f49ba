"""``python -m tollbook``: the same as the command ``tollbook``."""

from tollbook.cli.main import main

if __name__ == "__main__":
    main()
