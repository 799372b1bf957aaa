"""Names as we write them: one spelling for each mission, interface and kind of service, so that filters and search agree.

EarthCODE's naming rule asks for the full name of a mission ("Sentinel-5P", not "S5P").
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

#: Our name → other spellings of it, compared without case, spaces, hyphens and underscores.
_SPELLINGS: Final[dict[str, tuple[str, ...]]] = {
    "Sentinel-1": ("S1", "Sentinel1"),
    "Sentinel-2": ("S2", "Sentinel2"),
    "Sentinel-3": ("S3 OLCI", "Sentinel3"),
    "Sentinel-5P": ("S5P", "Sentinel-5 Precursor", "TROPOMI"),
    "Sentinel-6": ("S6", "Sentinel-6 Michael Freilich"),
    "CryoSat-2": ("CS2", "Cryosat"),
    "Envisat": ("ENVISAT-1",),
    "Pléiades": ("Pleiades",),
    "Pléiades Neo": ("Pleiades Neo",),
    "PlanetScope": ("Planet Scope",),
    "JupyterLab": ("Jupyter", "Jupyter Lab", "Jupyter Notebooks"),
    "openEO": ("openEO API", "openEO clients"),
    "OGC API Processes": ("OGC API - Processes", "OGC API – Processes"),
    "OGC web services": ("WMS", "WCS", "WFS", "WMTS", "OGC WMS/WCS/WFS/WMTS"),
    "STAC": ("STAC API",),
    "S3": ("S3 storage", "object storage (S3)"),
    "VS Code": ("Code Server", "Visual Studio Code"),
    "Data processing (DPaaS)": ("DPaaS",),
    "Development environment (IDE)": ("IDE",),
    "Application hosting (AH)": ("AH",),
    "Virtual machines (IaaS)": ("IaaS",),
    "Managed platform (PaaS)": ("PaaS",),
    "Managed software (SaaS)": ("SaaS",),
    "Jupyter notebook": ("jupyter-notebook",),
    "Argo workflow": ("argo-workflow",),
    "openEO process graph": ("process_graph", "openEO UDP", "openeo-process"),
    "OGC application package": ("EOAP", "OGC EO application package", "OGC EOAP / CWL", "CWL"),
}


def _key(name: str) -> str:
    return re.sub(r"[\s_\-–]+", "", name).casefold()


_NAMES: Final = {_key(spelling): name for name, spellings in _SPELLINGS.items() for spelling in (name, *spellings)}


def normalised(name: str) -> str:
    """The one spelling of a name we know, else the name without stray spaces."""
    cleaned = " ".join(name.split())
    return _NAMES.get(_key(cleaned), cleaned)


def all_normalised(names: Iterable[str]) -> list[str]:
    """Each name in its one spelling, in the given order, without repeats."""
    return list(dict.fromkeys(normalised(name) for name in names))
