"""The vocabulary costs nothing to import."""

import subprocess
import sys


def test_light_modules_do_not_load_torch():
    modules = "reverie.types, reverie.seeding, reverie.checkpoint, reverie.metrics, reverie.data.store"
    code = f"import sys, {modules}; sys.exit('torch' in sys.modules or 'rich' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
