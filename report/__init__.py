"""The HTML page that every command writes its report with."""
