"""Runs `python -m mec_llm_env`."""

from mec_llm_env.command import main

raise SystemExit(main())
