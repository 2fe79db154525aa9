"""What is on disk: archives, frames, the cache of arrays, safe pickles, run folders, the ledger."""
