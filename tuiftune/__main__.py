"""`python -m tuiftune` is the `tuiftune` command."""

from tuiftune.interpreter import leave_out_working_directory

if __name__ == "__main__":
    leave_out_working_directory()
    from tuiftune.cli.main import main

    main()
