"""Read files into lazy stacks: one module per product, behind the protocol in `source`."""
