"""Radio channels: laws of path loss, absorption, shadowing, and the rates of a link."""
