"""What training and decoding cost (paper Table 5)."""
