"""Mistakes on the command lines of the scripts, and what the line says of each."""

from __future__ import annotations

# What is wrong, the words of the command, and what the one line must say.
MISTAKES = {
    "unknown agent": ("train.py --agent pppo", "no learned agent 'pppo'. Did you mean"),
    "no agent": ("train.py", "Give --agent"),
    "unknown preset": ("train.py --agent ppo --preset papr", "no preset 'papr'"),
    "unknown parameter": (
        "train.py --agent ppo --override radio.bandwith_mhz=20",
        "no parameter 'radio.bandwith_mhz'. Did you mean 'radio.bandwidth_mhz'?",
    ),
    "negative parameter": (
        "train.py --agent ppo --override radio.bandwidth_mhz=-1",
        "`radio.bandwidth_mhz` must be a number from 1e-06 to 1e+07; got -1",
    ),
    "infinite parameter": (
        "train.py --agent ppo --override objective.delay_weight=Infinity",
        "`objective.delay_weight` must be a number from 1e-06 to 1e+06; got inf",
    ),
    "no timesteps": ("train.py --agent ppo --timesteps 0", "at least 1; got '0'"),
    "seed of the test scenarios": (
        "train.py --agent ppo --seed 2000",
        "`seed` must lie",
    ),
    "unknown hyperparameter": (
        "train.py --agent ppo --hyperparameter n_epoch=1",
        "Did you mean 'n_epochs'?",
    ),
    "misplaced hyperparameter": (
        "train.py --agent ppo --hyperparameter n_envs=1",
        "--n-envs",
    ),
    "hyperparameter of the wrong kind": (
        "train.py --agent ppo --n-envs 1 --hyperparameter n_steps=1",
        "do not fit PPO",
    ),
    "unknown policy": (
        "train.py --agent ppo --policy cnn",
        "--policy must be one of mlp, set for ppo; got 'cnn'",
    ),
    "policy of another agent": (
        "train.py --agent apg --policy mlp",
        "--policy must be one of set for apg; got 'mlp'",
    ),
    "set policy with levels": (
        "train.py --agent ppo --policy set --action-encoding multi_discrete",
        "`--policy set` needs --action-encoding box",
    ),
    "size of a network": (
        'train.py --agent apg --hyperparameter policy_kwargs={"width":0}',
        "`width` must be an integer of at least 1; got 0",
    ),
    "unknown size of a network": (
        'train.py --agent apg --hyperparameter policy_kwargs={"depth":2}',
        "do not fit Apg",
    ),
    "unknown environment": (
        "train.py --agent ppo --env Other-v0",
        "no entry 'Other-v0'",
    ),
    "unknown encoding": (
        "train.py --agent ppo --action-encoding bits",
        "`action_encoding` must be one of",
    ),
    "a reward of another environment": (
        "train.py --agent ppo --reward slot",
        "--reward is of MecLlmMobile-v0; got --env MecLlm-v0",
    ),
    "unknown reward": (
        "train.py --agent ppo --env MecLlmMobile-v0 --reward scr",
        "`reward` must be one of scr_difference, slot, surplus; got",
    ),
    "a reward without its numbers": (
        "train.py --agent ppo --env MecLlmMobile-v0 --reward surplus",
        "`surplus_ratio` must be",
    ),
    "an agent of single decisions": (
        "train.py --agent apg --env MecLlmMobile-v0",
        "no entry 'MecLlmMobile-v0'",
    ),
    "a warm start of what remembers": (
        "train.py --agent recurrent_ppo --env MecLlmMobile-v0 --warm-start dual",
        "in MecLlmMobile-v0 needs --agent ppo or a2c; got recurrent_ppo",
    ),
    "a demonstrator of episodes": (
        "train.py --agent ppo --warm-start lookahead",
        "'lookahead' decides episodes",
    ),
    "dry run of what does not fit": (
        "train.py --agent ppo --n-envs 1 --hyperparameter n_steps=1 --dry-run",
        "do not fit PPO",
    ),
    "unwritable runs": ("train.py --agent ppo --output /dev/null/runs", "/dev/null"),
    "resume of no run": ("train.py --resume nowhere", "'nowhere' is not a run folder"),
    "resume of a finished run": (
        "train.py --resume runs/ppo/latest",
        "there is nothing left to do",
    ),
    "resume as a dry run": (
        "train.py --resume runs/ppo/latest --dry-run",
        "--dry-run cannot be given with it",
    ),
    "resume with another preset": (
        "train.py --resume runs/ppo/latest --preset paper-10x2",
        "--preset cannot be given with it",
    ),
    "evaluation of an unknown agent": (
        "evaluate.py --agents gucca",
        "no agent 'gucca'. Did you mean 'gucaa'?",
    ),
    "evaluation of no run": (
        "evaluate.py --agents runs",
        "'runs' is not a run folder",
    ),
    "evaluation on another size": (
        "evaluate.py --agents runs/ppo/latest --preset medium-50x10",
        "was trained for 4 users and 2 servers",
    ),
    "evaluation on an unknown preset": (
        "evaluate.py --agents gucaa --preset papr",
        "no preset 'papr'",
    ),
    "evaluation in an unknown environment": (
        "evaluate.py --agents gucaa --env MecLlmMobil-v0",
        "no environment 'MecLlmMobil-v0'. Did you mean 'MecLlmMobile-v0'?",
    ),
    "the preset of another environment": (
        "evaluate.py --agents gucaa --preset mobile-10x2",
        "The preset 'mobile-10x2' is one of MecLlmMobile-v0; got MecLlm-v0. Give --env",
    ),
    "the other way round": (
        "evaluate.py --agents gucaa --env MecLlmMobile-v0 --preset tiny-4x2",
        "The preset 'tiny-4x2' is one of MecLlm-v0; got MecLlmMobile-v0. Give --env",
    ),
    "an agent of another environment": (
        "evaluate.py --agents lookahead",
        "'lookahead' decides whole episodes, as those of MecLlmMobile-v0",
    ),
    "a run of another environment": (
        "evaluate.py --agents runs/ppo/latest --env MecLlmMobile-v0",
        "was trained in MecLlm-v0, whose observations are others; asked for MecLlmMobi",
    ),
    "an agent twice": ("evaluate.py --agents gucaa gucaa", "names 'gucaa' twice"),
    "unwritable results": (
        "evaluate.py --agents gucaa --output /dev/null/results",
        "/dev/null",
    ),
    "all agents on test scenarios": (
        "evaluate.py --agents all",
        "`--agents all` goes with --scenario",
    ),
    "cases of one's own with a preset": (
        "evaluate.py --agents all --scenario x.json --preset tiny-4x2",
        "leave out --preset",
    ),
    "cases of one's own in episodes": (
        "evaluate.py --agents all --scenario x.json --env MecLlmMobile-v0",
        "`--scenario` is decided as in MecLlm-v0",
    ),
    "no such case": ("evaluate.py --agents all --scenario x.json", "'x.json'"),
    "no case": ("evaluate.py --agents all --scenario runs", "no case in the folder"),
    "a case of another kind": (
        "evaluate.py --agents all --scenario runs/ppo/latest/config.json",
        "/config.json', line 2, [config]: there is no such table",
    ),
    "an agent that cannot decide a case": (
        "evaluate.py --agents runs/ppo/latest --scenario ../cases/five.json",
        "was trained for 4 users and 2 servers",
    ),
    "a parameter of a case": (
        "evaluate.py --agents gucaa --scenario ../cases/five.json --override user=1",
        "no parameter 'user'. Did you mean 'users'?",
    ),
    "negative seed": ("evaluate.py --agents gucaa --seed -1", "at least 0; got '-1'"),
    "no instances": ("evaluate.py --agents gucaa --instances 0", "at least 1"),
}
