"""How fast esmviz is on this machine. Numbers are reported, never asserted."""
