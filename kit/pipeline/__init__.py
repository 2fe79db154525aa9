"""The stages of a run from files to submission, and the verbs made of them."""
