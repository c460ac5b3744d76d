"""The image files of a folder, and what else the folder holds."""
