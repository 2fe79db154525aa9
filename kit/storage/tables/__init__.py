"""Tables of a competition: read however they are written."""
