"""Dice, IoU and other agreement of masks, with bootstrap intervals by patient."""
