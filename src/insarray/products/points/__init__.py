"""Points and links (arcs): selection, link model, integration, unwrapping."""
