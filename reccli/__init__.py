"""reccli: raw interactions in, recommendations out, behind five commands.

Importing this package is cheap: it sets the environment so that no library talks to the
network unasked, and imports nothing else.
"""

import os

__version__ = "0.1.0"

# Set before transformers or huggingface_hub can be imported anywhere. `--online` lifts the first two.
for _name, _value in {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "TOKENIZERS_PARALLELISM": "false",
}.items():
    os.environ.setdefault(_name, _value)
del _name, _value

__all__ = ["__version__"]
