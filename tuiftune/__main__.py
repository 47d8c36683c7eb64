"""`python -m tuiftune` is the `tuiftune` command."""

from tuiftune.cli.main import main

if __name__ == "__main__":
    main()
