"""A user without an account, as `docker run --user 4321` makes one, can use the networks."""

import os
import subprocess
import sys

CODE = """
import getpass, pwd
def nobody(number):
    raise KeyError(f"getpwuid(): uid not found: {number}")
pwd.getpwuid = nobody
import ldae.networks
print(getpass.getuser())
"""


def test_who_has_no_name_is_called_by_the_number():
    environment = {
        name: value for name, value in os.environ.items() if name not in ("LOGNAME", "USER", "LNAME", "USERNAME")
    }
    said = subprocess.run([sys.executable, "-c", CODE], env=environment, capture_output=True, text=True)
    assert said.stdout.strip() == str(os.getuid()), said.stderr
