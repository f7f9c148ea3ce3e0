"""`python -m earlyrobust`."""

from earlyrobust.cli.main import main

if __name__ == "__main__":
    main()
