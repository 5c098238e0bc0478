"""The entrance: checked, immutable views of what users give, and arguments matched by label."""
