"""The nouns of the field and their language: immutable values that every other layer builds on."""
