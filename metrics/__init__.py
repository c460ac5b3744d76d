"""Agreement of masks (Dice, IoU, specificity), with bootstrap intervals by patient."""
