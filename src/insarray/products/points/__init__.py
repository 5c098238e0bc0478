"""Points and links: selection, the link model, integration, unwrapping."""
