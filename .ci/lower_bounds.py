"""Print the lower bounds of pyproject.toml as constraints: what is claimed to be enough is what is tried."""

import re
import tomllib
from pathlib import Path

project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
for requirement in project["dependencies"]:
    name, extras, version = re.fullmatch(r"([\w-]+)(\[.*\])?>=([\d.]+)", requirement).groups()
    print(f"{name}=={version}")
    if extras and "distributed" in extras:
        print(f"distributed=={version}")
