"""esmviz: an open workbench for looking inside protein language models."""

__version__ = "0.1.0"
