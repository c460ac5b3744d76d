"""The machine and the installation: cores, hardware, caches, packages, extras, files, compiled kernels."""
