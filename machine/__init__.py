"""What the machine and the installation offer: cores, hardware, caches, packages, extras, files, kernels."""
