"""Networks: autoencoder, discriminator, latent UNet, gradient estimator, semantic encoder."""

import os
import pwd

try:
    pwd.getpwuid(os.getuid())
except KeyError:  # a container's user without an account: MONAI asks for a name when it is imported, and would die
    os.environ.setdefault("LOGNAME", str(os.getuid()))
