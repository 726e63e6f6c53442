"""A file that describes a system of the user's own: TOML or JSON, usual units, gains.

`reading` makes a configuration of it, or says in one error everything that is wrong.
"""
