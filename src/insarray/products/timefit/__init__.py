"""Time functions fitted to series or pairs, and what they predict."""
