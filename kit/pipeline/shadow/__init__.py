"""Shadow leaderboard: a public and a private test made of training rows, whose answers are known."""
