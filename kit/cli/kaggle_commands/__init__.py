"""Commands on Kaggle: each file is one command, and its `main(arguments)` returns the exit code."""
