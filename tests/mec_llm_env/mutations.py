"""A valid scenario file, changed in a hundred ways in which people get one wrong.

Each is the text to be replaced and what replaces it, in the TOML file or in the gains,
and what the error must say: where, and the remedy or the value.
"""

from __future__ import annotations

from typing import NamedTuple


class Mutation(NamedTuple):
    old: str | bytes  # "": all of it
    new: str | bytes
    says: str  # a regular expression
    gains: bool = False  # whether it is in the file of gains


_GPU = "cores = 6912\nfrequency_ghz = 1.4\npower_w = 300"

# Wrong units.
UNITS = [
    Mutation(
        "bandwidth_mhz = 20", "bandwidth_mhz = 0.00002", "line 30.*GHz: write 0.02"
    ),
    Mutation("bandwidth_mhz = 20", "bandwidth_mhz = 20e6", "Hz: write 20"),
    Mutation("bandwidth_mhz = 20", "bandwidth_mhz = 1e-5", "usually from 0.01 to"),
    Mutation("bandwidth_mhz = 20", "bandwidth_hz = 20e6", "write bandwidth_mhz = 20"),
    Mutation("bandwidth_mhz = 20", "bandwidth_ghz = 0.02", "write bandwidth_mhz = 20"),
    Mutation("downlink_power_w = 10", "downlink_power_dbm = 40", "power_w = 10"),
    Mutation("downlink_power_w = 10", "downlink_power_w = 10000", "mW: write 10"),
    Mutation("max_w = 0.2", "max_w = 23", r"line 13.*dBm: write 0\.199526"),
    Mutation("max_w = 0.2", "max_w = 200", r"mW: write 0\.2"),
    Mutation("max_w = 0.2", "max_w = -7", r"dBW: write 0\.199526"),
    Mutation("max_w = 0.2", "max_dbm = 23", "power_max_w = 0.199526"),
    Mutation("max_w = 0.2", "max_mw = 200", "power_max_w = 0.2"),
    Mutation("max_ghz = 1.0", "max_ghz = 1000", "MHz: write 1"),
    Mutation("max_ghz = 1.0", "max_ghz = 1e9", "Hz: write 1"),
    Mutation("max_ghz = 1.0", "max_mhz = 1000", "frequency_max_ghz = 1"),
    Mutation("reference_ghz = 1.0", "reference_ghz = 1e9", "Hz: write 1"),
    Mutation("power_w = 5.0", "power_w = 5000", "mW: write 5"),
    Mutation("power_w = 5.0", "power_w = 5e-27", "usually from|must be"),
    Mutation("power_w = 5.0", "power_coefficient = 5e-9", "5e-27 W/Hz³ are 5 W"),
    Mutation("power_w = 300", "power_w = 0.3", "kW: write 300"),
    Mutation("frequency_ghz = 1.59", "frequency_ghz = 1590", r"MHz: write 1\.59"),
    Mutation("cores = 6912", "cores = 6912e3", "must be an integer, or a list of"),
    Mutation("per_core = 512", "per_core = 2e12", "must be|usually"),
    Mutation("per_core = 512", "per_core = 0.001", "usually from 0.5"),
    Mutation(
        "noise_figure_db = 7",
        "noise_figure_db = -174",
        "must be a number from 0 to 100",
    ),
    Mutation("noise_figure_db = 7", "noise_density_dbm_per_hz = -204", "write -174"),
    Mutation("noise_figure_db = 7", "noise_density_dbm_per_hz = 4e-21", "must be"),
    Mutation("noise_figure_db = 7", "cell_radius_m = 0.5", r"key of \[layout\]"),
    Mutation("[radio]", "[layout]\ncell_radius_m = 0.5\n[radio]", "km: write 500"),
    Mutation("tokens = 1024", "tokens = 0", "must be"),
]

# Names and tables.
NAMES = [
    Mutation("bandwidth_mhz", "bandwith_mhz", "Did you mean 'bandwidth_mhz'"),
    Mutation("bandwidth_mhz", "Bandwidth_MHz", "Did you mean 'bandwidth_mhz'"),
    Mutation("[radio]", "[raido]", r"\[raido\]: there is no such table.*'radio'"),
    Mutation("[radio]", "[[radio]]", r"must be a table, \[radio\]"),
    Mutation("[users]", "[user]", "is not valid TOML|twice"),
    Mutation("[users]", "[userss]", "there is no such table.*'users'"),
    Mutation("[servers]", "[sever]", "there is no such table.*'server'"),
    Mutation("[[server]] # one", "[[severs]] # one", "'servers'|'server'"),
    Mutation("[[server]] # one", "[server] # one", "appears twice"),
    Mutation("[workload]", "[mobility]", "line 22.*`layers` is a key of"),
    Mutation("gains =", "gain =", "there is no such key.*'gains'"),
    Mutation("gains =", "unusual =", r"must be a list of keys"),
    Mutation("gains =", 'unusual = ["bandwidth"]\ngains =', "no parameter 'bandwidth'"),
    Mutation("[radio]", "tokens = 5\n[radio]", r"already set in line 14"),
    Mutation("layers = 16", "layers = 16\nlayers = 16", "appears twice. Keep one"),
    Mutation("[radio]", "[users]", "appears twice. Keep one"),
    Mutation("[radio]", "[workload]\n[radio]", "appears twice. Keep one"),
    Mutation("[radio]", "[radio]\nsequences = 5", r"key of \[workload\]|no such key"),
    Mutation(
        "[radio]",
        "[radio]\ntransmit_power_max_w = [0.2, 0.2]",
        "already set in line 13",
    ),
    Mutation("{ sequences = 46 }", "{ sequence = 46 }", "Did you mean 'sequences'"),
    Mutation("layers = 16", "layer = 16", "Did you mean 'layers'"),
]

# What is missing.
MISSING = [
    Mutation("{ sequences = 46 }", "{}", r"\[\[user\]\] 1: lacks `sequences`"),
    Mutation("{ sequences = 46 }, ", "", "11 users, and|12 users, and"),
    Mutation("power_w = 5.0\n", "", "lacks `power_w` beside `cores`"),
    Mutation("power_reference_ghz = 1.0\n", "", "lacks `power_reference_ghz`"),
    Mutation("cores = 4", "#", "lacks `cores` beside"),
    Mutation("power_w = 300\n", "", r"\[\[server\]\] 1: lacks `power_w`, which"),
    Mutation("frequency_ghz = 1.59\n", "", r"\[\[server\]\] 0: lacks `frequency_ghz`"),
    Mutation(_GPU, "", r"\[\[server\]\] 1: lacks `cores`"),
    Mutation("[[server]] # one", "#", "appears twice. Keep one"),
    Mutation("count = 2\n", "", r"3 servers, and \[\[server\]\] has 2"),
    Mutation("count = 2", "count = 3", "3 servers, and .* has 4"),
    Mutation("count = 2", "count = 0", "whole number from 1; got 0"),
    Mutation("count = 2", "count = 1.5", "whole number from 1; got 1.5"),
    Mutation("count = 2", 'count = "two"', "whole number from 1; got 'two'"),
    Mutation("[users]", "[users]\ncount = 10", r"12 users, and .*10"),
    Mutation("[servers]", "[servers]\ncount = 2", r"3 servers, and .*2"),
    Mutation("[users]", "[users]\ncount = -1", "must be an integer from 1 to 10000"),
    Mutation('"gains.csv"', '"gain.csv"', r"cannot be read.*gain\.csv.*relative"),
    Mutation('"gains.csv"', '""', "must be the path of a CSV file"),
    Mutation('"gains.csv"', "5", "must be the path of a CSV file"),
    Mutation('"gains.csv"', '"."', "cannot be read"),
]

# Other things than numbers, and bad TOML.
VALUES = [
    Mutation("width = 2048", 'width = "2048"', "Leave the quotes out: 2048"),
    Mutation("width = 2048", 'width = "wide"', "numbers alone, without quotes"),
    Mutation(
        "width = 2048", "width = wide", "line 23.*is not valid TOML.*Texts need quotes"
    ),
    Mutation("width = 2048", "width = 2048.0", "must be an integer"),
    Mutation("width = 2048", "width = true", "must be an integer.*True"),
    Mutation("width = 2048", "width = -2048", "must be an integer.*-2048"),
    Mutation("width = 2048", "width = 2,048", "is not valid TOML"),
    Mutation("width = 2048", "width =", "is not valid TOML"),
    Mutation("width = 2048", "width", "line 23.*is not valid TOML"),
    Mutation("width = 2048", "width: 2048", "is not valid TOML"),
    Mutation("width = 2048", "width = [2048]", "must be an integer"),
    Mutation("width = 2048", "width = [1, 2]", "must be an integer"),
    Mutation("width = 2048", "width = {}", "must be an integer"),
    Mutation("width = 2048", "width = 2024-01-01", "must be an integer"),
    Mutation("width = 2048", f"width = {'9' * 5000}", "is not valid TOML|must be"),
    Mutation("width = 2048", "width = 1e400", "must be an integer"),
    Mutation("noise_figure_db = 7", "noise_figure_db = nan", "must be a number.*nan"),
    Mutation("noise_figure_db = 7", "noise_figure_db = inf", "must be a number.*inf"),
    Mutation(
        "noise_figure_db = 7", "noise_figure_db = 7 dB", "is not valid TOML.*no unit"
    ),
    Mutation("noise_figure_db = 7", "noise_figure_db = 7,5", "is not valid TOML"),
    Mutation(
        "noise_figure_db = 7", 'fading = "rician"', "must be one of 'rayleigh', 'none'"
    ),
    Mutation("noise_figure_db = 7", "fading = 1", "must be one of"),
    Mutation("tokens = 1024", "tokens = [1024, 512]", "Give the lowest first"),
    Mutation("tokens = 1024", "tokens = [1, 2, 3]", r"\[lowest, highest\]"),
    Mutation("tokens = 1024", 'tokens = ["a", "b"]', r"\[lowest, highest\]"),
    Mutation("tokens = 1024", "tokens = []", r"\[lowest, highest\]"),
    Mutation("cores = 4", "cores = []", "or a list of integers, from"),
    Mutation(
        "{ sequences = 46 }", "{ sequences = -46 }", r"\[\[user\]\] 1, `sequences`"
    ),
    Mutation("{ sequences = 46 }", "46", r"\[\[user\]\] 1: must be a table"),
    Mutation("layers = 16", "layers = 1", "must be an integer from 2"),
    Mutation("[workload]", "workload = 5\n#", "sequences|must be a table|no such key"),
    Mutation(
        "noise_figure_db = 7",
        "noise_figure_db = 7\n[objective]\nscore_weight_power = 0.5",
        "1",
    ),
]

# The whole file.
FILES = [
    Mutation("", "", "is empty"),
    Mutation("", "\n  \n", "is empty"),
    Mutation("", "# only a comment\n", "sets nothing"),
    Mutation("", b"\xff\xfe[\x00u\x00", "is not UTF-8"),
    Mutation("# Twelve", b"# Zw\xf6lf", "line 1: is not UTF-8"),
    Mutation("", b"\x00" * 1000, "is not valid TOML"),
    Mutation("", "a = " + "[" * 100_000, "has too many levels|is not valid TOML"),
    Mutation("", '{"users": 5}', "is not valid TOML"),
    Mutation("", b"a" * (2**24 + 1), "is larger than"),
    Mutation('"gains.csv"', '"gains.csv', "line 3.*is not valid TOML"),
]

# The gains.
GAINS = [
    Mutation("-101.1", "101.1", "line 2, server 0: .*path loss: write -101.1", True),
    Mutation("-101.1", "100", "path loss: write -100", True),
    Mutation("-101.1", "7.76e-11", r"linear gain: write -101\.10", True),
    Mutation("-101.1", "-500", "must be a number from -300 to -20 dB", True),
    Mutation("-101.1", "", "server out of reach write -260", True),
    Mutation("-101.1", "-inf", "server out of reach write -260", True),
    Mutation("-101.1", "-101_1", "with a decimal point", True),
    Mutation("-101.1", "strong", "got 'strong'", True),
    Mutation("-101.1,", "", "line 2: must have 4 entries.*got 3", True),
    Mutation("-101.1", "-101,1", "line 2: must have 4 entries.*got 5", True),
    Mutation(",", ";", "semicolons", True),
    Mutation("-101.1", '"-101.1', "is not valid CSV|must have", True),
    Mutation("-101.1", b"\xff", "line 2: is not UTF-8", True),
    Mutation("", "", "holds no gains", True),
    Mutation("", "user,a,b,c\n", "holds no gains", True),
    Mutation("", b"1" * (2**26 + 1), "is larger than", True),
    Mutation("", "-90,-90,-90\n" * 11, "gains.csv.*11 users|11 users", True),
    Mutation("", "-90,-90\n" * 12, "2 servers", True),
    Mutation("", "-90,-90,-90\n" * 10_001, "must be|10001 users", True),
]

MUTATIONS = UNITS + NAMES + MISSING + VALUES + FILES + GAINS
