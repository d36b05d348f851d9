"""The three ways in which the Antidote platform configures a lesson's machines: napalm, python and ansible."""
