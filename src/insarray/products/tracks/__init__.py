"""Several tracks or frames of one geometry made one field."""
