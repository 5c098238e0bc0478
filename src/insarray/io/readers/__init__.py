"""One reader per product: from the files of a processor to a scanned source."""
