"""The local environment behind `make`: a MinIO of its own, the stack `dev`, and their summary."""

import sys

from toolchain.bootstrap import ROOT

# What a policy document allows is judged by the policy pack, which is a program and no package.
sys.path.append(str(ROOT / "policies"))
