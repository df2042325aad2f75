"""Networks: autoencoder, discriminator, latent UNet, gradient estimator, semantic encoder."""
