"""Commands that do not need Kaggle: each file is one command, and its `main(arguments)` returns the exit code."""
