"""Ground truth in files of their own, beside the images: ChestX-Det, COCO, run lengths, Segmentations."""
