"""The commented example of a scenario file that `python -m mec_llm_env init` writes."""

from __future__ import annotations

_TEXT = """\
# A system of your own: change, add and delete lines, then
#     python -m mec_llm_env check {name}
# says what is wrong, or what the system is. The unit of a number is at the end of its
# key. What is left out keeps its default; docs/own-system.md explains all of it.

# Gains that you have measured or simulated, in dB: a line a user, a column a server,
# in the folder of this file. Without, they are drawn from the path loss in [radio].
# gains = "gains.csv"

[users] # what all users have in common; a pair is a range to draw from
count = 12
transmit_power_max_w = [0.2, 1.0] # 0.2 W are 23 dBm
tokens = [512, 1024] # of a sequence
sequences = [16, 64] # of a user's data set
epochs = 1
# The GPU of a device, from its data sheet; here about 2 TFLOP/s in 16 bit.
cores = [4, 5, 6] # one of these
flop_per_cycle_per_core = 512
frequency_max_ghz = [0.8, 1.3]
power_w = [3.0, 6.0] # of the whole GPU at `power_reference_ghz`
power_reference_ghz = 1.3

# Users who differ: a table each, or `count` alike; it takes precedence over [users].
# [[user]]
# sequences = 56
# position_m = [120.0, -35.0] # x and y, from the centre

[workload] # the decoder whose adapters are trained
layers = 16
width = 2048
# model = "llama-3.2-1b" # in place of the two; or the path of its config.json
bottleneck = 256 # of an adapter
# adapter = "lora" # in place of Houlsby's
# lora_rank = 16
# lora_targets = ["q", "v"]
# split = "whole_layers"
adapter_parameter_bit = 16
token_bit = 32

[radio]
noise_density_dbm_per_hz = -174.0 # thermal
noise_figure_db = 5.0
# Of gains that are drawn; "uma", "umi" and "sub-thz" have other parameters:
path_loss = "log-distance"
path_loss_intercept_db = 128.1 # at 1 km
path_loss_slope_db = 37.6 # a decade of distance
shadowing_std_db = 8.0
fading = "rayleigh" # or "none"
antenna_gain_db = 0.0 # of both ends together
# Of the other laws of path loss alone:
# carrier_ghz = 3.5
# server_height_m = 10.0
# user_height_m = 1.5
# state_shadowing_std_db = [4.0, 7.82] # in line of sight and out of it
# water_vapour_g_per_m3 = 7.5

[layout] # a disc with servers on a ring, unless they have positions
cell_radius_m = 500.0
server_ring_ratio = 0.5 # of the radius
distance_min_m = 10.0

[[server]] # a table each, or `count` alike; [servers] has what they share
count = 2
bandwidth_mhz = 10.0
downlink_power_w = 20.0 # 43 dBm
# The GPU, from its data sheet: NVIDIA Tesla T4.
cores = 2560
frequency_ghz = 1.59
power_w = 70.0 # at that frequency
flop_per_cycle_per_core = 2.0 # 2 for CUDA cores; more with tensor cores
# max_users = 6 # no limit without
# noise_rise_db = 3.0 # by interference, of the uplink; none without
# position_m = [250.0, 0.0] # x and y, from the centre

[[server]] # NVIDIA Jetson AGX Orin
bandwidth_mhz = 20.0
downlink_power_w = 20.0
cores = 2048
frequency_ghz = 1.3
power_w = 60.0
flop_per_cycle_per_core = 2.0

[objective] # SCR: sum of scores over cost, delay / delay_reference_s + …, weighted
delay_weight = 0.5
energy_weight = 0.5
delay_reference_s = 100.0
energy_reference_j = 200.0
downlink_energy_share = 0.0 # 1 charges servers' transmitters, too
score_sensitivity = 10.0
score_weight_power = 0.0 # the four sum to 1
score_weight_bandwidth = 0.3
score_weight_compute = 0.3
score_weight_offload = 0.4
"""


def example_config(name: str) -> str:
    """Returns the text of the example.

    Args:
        name: of its file, for the commands in it.
    """
    return _TEXT.format(name=name)
