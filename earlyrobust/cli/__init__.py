"""The verbs of the command, by theme: each calls the library, shows the result, and returns an exit code."""
