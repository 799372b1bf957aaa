"""The catalogue as other catalogues read it: OGC API – Records, Part 1 (OGC 20-004r1), below ``/ogc/``.

One collection, ``offerings``; one record for each listed offering, of type "service". ``standard`` holds what the
standard prescribes, ``query`` reads and answers its parameters, ``records`` writes records, ``openapi`` describes it all
and ``views`` answers. Public: the same answer for everybody, and no token is looked at.
"""
