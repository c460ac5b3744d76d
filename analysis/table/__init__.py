"""The table that is analyzed: read, merged, its columns' roles, its target."""
