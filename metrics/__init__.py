"""Agreement of masks, outlines, components and measurements, with bootstrap intervals by patient."""
