"""The commands; ``cli`` gathers them."""
