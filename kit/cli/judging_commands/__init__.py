"""Commands that judge what runs are worth."""
