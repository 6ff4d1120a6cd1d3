"""The page: Wall and Feed in the browser."""
