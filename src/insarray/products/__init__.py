"""What users ask for: each product turns a dataset into a view, plans, and maps a kernel over its blocks."""
