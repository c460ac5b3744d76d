"""Checks of an image and its mask: is it a frontal chest radiograph, and how far can the mask be trusted."""
