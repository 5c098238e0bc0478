"""Views: checked, immutable forms of user datasets, and arguments aligned to them by label."""
