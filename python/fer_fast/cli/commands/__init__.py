"""The commands: each has NAME, HELP, add_arguments and run."""
