"""Writers of fake products: the real layouts of files, filled with known truth."""
