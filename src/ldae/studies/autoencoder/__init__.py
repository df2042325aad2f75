"""What the autoencoder keeps (paper Figure 3)."""
