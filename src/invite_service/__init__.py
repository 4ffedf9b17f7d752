"""Ask webshop customers for reviews at the right moment."""

__version__ = "0.1.0"
