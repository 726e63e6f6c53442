"""The paper: DASHF's two blocks in turn, and the baselines that share them."""
