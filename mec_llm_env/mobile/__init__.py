"""Episodes: users move, jobs come and go, and changing servers costs.

The same model and the same base of environments, one decision after another:
`trajectory` is what happens, `task` what is decided and paid, `env` and `vector_env`
are `MecLlmMobile-v0`.
"""
