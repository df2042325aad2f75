"""``clinica run t1-linear --use-antspy`` with a stand-in template, and a record of what it asked of ANTs.

    python benchmarks/peer_clinica.py RECORD TEMPLATE BIDS CAPS WORKING_DIRECTORY

Clinica downloads its template (the head of MNI152NLin2009cSym) when it runs; here the file TEMPLATE stands in for it.
Cropping, which needs a second download, is left out (``-ui``). Nothing else is changed: its calls of ANTs are passed on
as they are, and noted in RECORD, one JSON object a line.
"""

import inspect
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import ants
import ants.ops.bias_correction
import clinica.utils.image
from clinica.cmdline import main


def noted(function: Callable, record: Path) -> Callable:
    """``function``, with its CPU-seconds and the keywords that it does not know noted."""
    signature = inspect.signature(function)
    named = {name for name, value in signature.parameters.items() if value.kind is not value.VAR_KEYWORD}

    def call(*arguments, **keywords):
        bound = signature.bind(*arguments, **keywords)
        bound.apply_defaults()
        start = time.process_time()
        result = function(*arguments, **keywords)
        line = {
            "call": function.__name__,
            "cpu_s": time.process_time() - start,
            "type_of_transform": bound.arguments.get("type_of_transform"),
            "not_known": {name: str(value) for name, value in keywords.items() if name not in named},
        }
        with open(record, "a", encoding="utf-8") as lines:
            lines.write(json.dumps(line) + "\n")
        return result

    return call


if __name__ == "__main__":
    record, template, bids, caps, work = map(Path, sys.argv[1:])
    correction = ants.ops.bias_correction
    correction.n4_bias_field_correction = noted(correction.n4_bias_field_correction, record)
    ants.registration = noted(ants.registration, record)
    clinica.utils.image._get_mni_template_t1 = lambda: template
    options = ["-ui", "--use-antspy", "-np", "1", "-wd", str(work)]
    sys.argv = ["clinica", "run", "t1-linear", *options, str(bids), str(caps)]
    main()
