"""The front door of the suite: the command, `earlyrobust`, and what it does."""
