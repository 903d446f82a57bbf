"""Files made to hurt a reader, by code and always the same: each is made only when it is asked for."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable

MEGABYTE = 1 << 20
FULL = 49 * MEGABYTE  # just under the limit of one upload
RESIDUES = "MKVLAAGIVQWERTYHDNPCFS"
OUTSIDE = "http://tracker.example/pixel.png"
Make = Callable[[], bytes]

HEADERS = {
    "html": f'<img src="{OUTSIDE}" onerror="document.title=1"><script>document.title=1</script>',
    "image": f"![x]({OUTSIDE})",
    "link": "[x](javascript:document.title=1)",
    "address": f"see {OUTSIDE} or www.tracker.example or a@tracker.example",
    "directive": ":red[x] :material/home: $\\href{javascript:1}{x}$",
    "formula": f'=HYPERLINK("{OUTSIDE}")',
    "path": "../../../etc/passwd\\..\\..\\CON.aux",
    "bidi": "P\u202e96950P\u2066\u2069\u200b\ufeff",
    "control": "P\x01\x07\x1b[31mred\x7f\x85",
    "separators": "P\u2028one\u2029two",
    "surrogate pair": "P\U0001f9ec\U000e0001",
    "percent": "%00%2e%2e%2f{}{0}%s%n",
    "very long": "P" + "x" * MEGABYTE,
    "a thousand labels": "P " + " ".join(f"k{n}=v{n}" for n in range(1000)),
    "empty": "",
}


def fasta(header: str, sequence: str = RESIDUES * 3) -> bytes:
    return f">{header}\n{sequence}\n".encode("utf-8", "surrogatepass")


def long(piece: bytes, size: int = FULL) -> bytes:
    return piece * (size // len(piece))


def gzip_bomb(depth: int = 1, gigabytes: int = 1) -> bytes:
    """A packed file of zeros and line feeds, packed again ``depth`` times in all."""
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=9, mtime=0) as file:
        file.write(b">bomb\n")
        block = b"A" * MEGABYTE
        for _ in range(1024 * gigabytes):
            file.write(block)
    packed = out.getvalue()
    for _ in range(depth - 1):
        packed = gzip.compress(packed, mtime=0)
    return packed


def members(count: int) -> bytes:
    """Gzip files one behind the other."""
    return gzip.compress(b"", mtime=0) * count + gzip.compress(fasta("last"), mtime=0)


def zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../evil.fasta", fasta("a"))
        archive.writestr("bomb", b"\0" * (64 * MEGABYTE))
    return out.getvalue()


def records(count: int) -> bytes:
    return b"".join(b">%d\nMKVLAAGIV\n" % number for number in range(count))


def filled(header: bytes, count: int) -> bytes:
    """As many records as an upload may have, all with the same long header."""
    return b"".join(b">%d %s\nMKV\n" % (number, header) for number in range(count))


FASTA: dict[str, Make] = {
    **{f"header, {name}": (lambda text=text: fasta(text) + fasta("b")) for name, text in HEADERS.items()},
    "a NUL": lambda: b">a\nMK\0V\n",
    "every byte": lambda: bytes(range(256)),
    "UTF-8 with a mark": lambda: b"\xef\xbb\xbf" + fasta("a"),
    "UTF-8 with two marks": lambda: b"\xef\xbb\xbf\xef\xbb\xbf" + fasta("a"),
    "UTF-16 with a mark": lambda: ("\ufeff>a\n" + RESIDUES).encode("utf-16-le"),
    "UTF-16 big-endian with a mark": lambda: ("\ufeff>a\n" + RESIDUES).encode("utf-16-be"),
    "UTF-16 without a mark": lambda: (">a\n" + RESIDUES).encode("utf-16-le"),
    "UTF-16 cut in a letter": lambda: ("\ufeff>a\n" + RESIDUES).encode("utf-16-le")[:-1],
    "UTF-16 with half a pair": lambda: b"\xff\xfe" + ">a".encode("utf-16-le") + b"\x00\xd8",
    "UTF-32 with a mark": lambda: ("\ufeff>a\n" + RESIDUES).encode("utf-32-le"),
    "UTF-32 beyond Unicode": lambda: b"\xff\xfe\0\0" + b"\xff\xff\xff\x7f" * 10,
    "only a mark": lambda: b"\xff\xfe",
    "UTF-7": lambda: b"+ADw-script+AD4-",
    "gzip cut short": lambda: gzip.compress(fasta("a"), mtime=0)[:-9],
    "gzip with a wrong sum": lambda: gzip.compress(fasta("a"), mtime=0)[:-8] + b"\0" * 8,
    "gzip with junk behind": lambda: gzip.compress(fasta("a"), mtime=0) + b"junk",
    "only a gzip magic": lambda: b"\x1f\x8b",
    "bzip2": lambda: bz2.compress(fasta("a")),
    "bzip2 in gzip": lambda: gzip.compress(bz2.compress(fasta("a")), mtime=0),
    "xz": lambda: lzma.compress(fasta("a")),
    "Zstandard": lambda: b"\x28\xb5\x2f\xfd" + b"\0" * 32,
    "zip in gzip": lambda: gzip.compress(zipped(), mtime=0),
    "pickle": lambda: b"\x80\x04\x95\x0f\0\0\0\0\0\0\0\x8c\x02os\x8c\x06system\x93\x94.",
    "empty": lambda: b"",
}
LARGE_FASTA: dict[str, Make] = {
    "100 MB line of residues": lambda: b">a\n" + long(b"MKVLAAGIVQ", 100 * MEGABYTE),
    "100 MB header": lambda: b">" + long(b"MKVLAAGIVQ", 100 * MEGABYTE),
    "one line of residues": lambda: b">a\n" + long(b"MKVLAAGIVQ"),
    "one header": lambda: b">" + long(b"abcdefghij"),
    "one header of spaces": lambda: b">" + long(b" \t"),
    "one header of emoji": lambda: b">" + long("\U0001f9ec".encode()),
    "one header of bidi marks": lambda: b">a " + long("\u202e".encode()) + b"\nMKV\n",
    "residues and one emoji": lambda: b">a\n" + long(b"MKVLAAGIVQ") + "\U0001f9ec".encode(),
    "one line of spaces": lambda: b">a\n" + long(b"  "),
    "lines of spaces": lambda: b">a\n" + long(b" " * 99 + b"\n"),
    "only spaces": lambda: long(b" "),
    "only line feeds": lambda: long(b"\n"),
    "only carriage returns": lambda: long(b"\r"),
    "only greater signs": lambda: long(b">"),
    "greater signs on lines": lambda: long(b">\n"),
    "indented greater signs": lambda: long(b"      >\n"),
    "comments": lambda: b">a\n" + long(b";" + b" " * 98 + b"\n") + b"MKV\n",
    "one residue a line": lambda: b">a\n" + long(b"M\n"),
    "gaps": lambda: b">a\n" + long(b"-."),
    "stops": lambda: b">a\n" + long(b"M") + b"*" * MEGABYTE,
    "stops among residues": lambda: b">a\n" + long(b"M*"),
    "foreign letters": lambda: b">a\n" + long("\u00df".encode()),
    "million records": lambda: records(1_000_000),
    "ten thousand records of one id": lambda: b">a\nMKV\n" * 10_000,
    "ten thousand records renamed into each other": lambda: b"".join(
        b">a%s\nMKV\n" % (b"~%d" % n if n % 2 else b"") for n in range(10_000)
    ),
    "ten thousand records full of labels": lambda: filled(
        b" ".join(b"k%d=%d" % (n, n) for n in range(450)), 10_000
    ),
    "ten thousand headers of bidi marks": lambda: filled("\u202e".encode() * 1600, 10_000),
    "ten thousand headers of labels of all kinds": lambda: b"".join(
        b">%d %s\nMKV\n" % (r, b" ".join(b"k%dx%d=%d" % (r, n, n) for n in range(300))) for r in range(10_000)
    ),
    "ten thousand rejected records": lambda: b">a b=c\n1\n" * 10_000,
    "NULs": lambda: long(b"\0"),
    "random bytes": lambda: bytes((n * 167 + n // 251 * 31) & 255 for n in range(MEGABYTE)),
    "UTF-16, full": lambda: "\ufeff>a\n".encode("utf-16-le") + long("MKVLA".encode("utf-16-le")),
    "Windows-1252, full": lambda: b">a \xe9\n" + long(b"MKVLA"),
    "gzip bomb": gzip_bomb,
    "gzip bomb packed twice": lambda: gzip_bomb(2),
    "gzip bomb packed thrice": lambda: gzip_bomb(3),
    "gzip of 200,000 members": lambda: members(200_000),
    "gzip header with a name without end": lambda: b"\x1f\x8b\x08\x08" + b"x" * FULL,
    "zip": zipped,
}

LABELS: dict[str, Make] = {
    **{
        f"cell, {name}": (lambda t=text: f'id,family\na,"{t}"\n'.encode())
        for name, text in ((name, text.replace('"', '""')) for name, text in HEADERS.items())
    },
    **{
        f"column, {name}": (lambda t=text: f'id,"{t}"\na,b\n'.encode())
        for name, text in ((name, text.replace('"', '""')) for name, text in HEADERS.items())
    },
    "rows of other lengths": lambda: b"id,a\na,b,c\n",
    "the same column twice": lambda: b"id,a,a\na,b,c\n",
    "two rows of one protein": lambda: b"id,a\na,b\na,c\n",
    "one column": lambda: b"id\na\n",
    "carriage returns within": lambda: b'id,a\na,"x\ry"\n',
    "NULs": lambda: b"id,a\na,\0\n",
    "UTF-16": lambda: "\ufeffid\ta\na\tb\n".encode("utf-16-le"),
    "empty": lambda: b"",
}
LARGE_LABELS: dict[str, Make] = {
    "commas": lambda: long(b","),
    "tabs": lambda: long(b"\t"),
    "quotes": lambda: long(b'"'),
    "pairs of quotes": lambda: b"id,a\n" + long(b'""'),
    "an open quote": lambda: b'id,a\na,"' + long(b"x\n"),
    "quoted lines in one row": lambda: b"id,a\n" + long(b'"\n",'),
    "columns that differ": lambda: b"id," + b",".join(b"c%d" % n for n in range(6_000_000)),
    "a full table of tiny cells": lambda: (
        b"id,"
        + b",".join(b"c%d" % n for n in range(150))
        + b"\n"
        + b"".join(b"r%d" % n + b",ab" * 150 + b"\n" for n in range(100_000))
    ),
    "a full table of cells that differ": lambda: (
        b"id,"
        + b",".join(b"c%d" % n for n in range(60))
        + b"\n"
        + b"".join(
            b"r%d" % n + b"".join(b",%d" % (n + 7 * k) for k in range(60)) + b"\n" for n in range(100_000)
        )
    ),
    "million rows": lambda: b"id,a\n" + b"".join(b"r%d,x\n" % n for n in range(1_000_000)),
    "a cell beyond the limit of csv": lambda: b"id,a\na," + b"x" * 200_000 + b"\n",
    "blank lines": lambda: b"id,a\n" + long(b"\n"),
    "rows of commas": lambda: b"id,a\n" + long(b",\n"),
    "gzip bomb": gzip_bomb,
}

_ATOM = "ATOM  {:>5} {:<4} {} {}{:>4}    {:8.3f}{:8.3f}{:8.3f}  1.00 20.00           C  \n"


def pdb(
    count: int, *, name: str = "CA", residue: str = "ALA", kind: str = "ATOM  ", step: float = 3.8
) -> bytes:
    """A chain of single atoms that goes to and fro."""
    out = io.StringIO()
    for n in range(count):
        line = _ATOM.format(
            n % 100_000,
            f" {name}",
            residue,
            "ABCDEFGHIJ"[n // 9999 % 10],
            n % 9999 + 1,
            step * (n % 200),
            float(n // 200 % 900),
            0.0,
        )
        out.write(kind + line[6:])
    return out.getvalue().encode()


_COLUMNS = (
    "group_PDB id type_symbol label_atom_id label_comp_id label_asym_id label_seq_id Cartn_x Cartn_y Cartn_z "
    "auth_seq_id auth_asym_id pdbx_PDB_ins_code label_alt_id occupancy B_iso_or_equiv pdbx_PDB_model_num"
)


def cif(rows: bytes) -> bytes:
    head = "data_x\nloop_\n" + "".join(f"_atom_site.{column}\n" for column in _COLUMNS.split())
    return head.encode() + rows + b"#\n"


def cif_rows(count: int) -> bytes:
    return b"".join(
        b"ATOM %d C CA ALA A %d %.1f 0.0 0.0 %d A ? . 1.0 20.0 1\n" % (n, n, 3.8 * (n % 200), n)
        for n in range(1, count)
    )


STRUCTURES: dict[str, Make] = {
    "PDB, no numbers": lambda: pdb(3).replace(b"0.000", b"  nan"),
    "PDB, infinite": lambda: pdb(3).replace(b"   0.000", b"     inf"),
    "PDB, far away": lambda: pdb(3).replace(b"   0.000", b"99999999"),
    "PDB, one atom": lambda: pdb(1),
    "PDB, cut": lambda: pdb(3)[:-60],
    "PDB, names of markup": lambda: pdb(4, residue="<b>"),
    "PDB, CONECT of nothing": lambda: pdb(3) + b"CONECT99999    7\n" * 1000,
    "PDB, hybrid-36": lambda: pdb(3).replace(b"    1    ", b" A000    "),
    "mmCIF, missing values": lambda: cif(b"ATOM ? ? ? ? ? ? ? ? ? ? ? ? ? ? ? ?\n"),
    "mmCIF, no coordinates": lambda: cif(b"ATOM 1 C CA ALA A 1 x y z 1 A ? . 1 20 1\n"),
    "mmCIF, a row cut": lambda: cif(b"ATOM 1 C CA ALA A\n"),
    "mmCIF, only a start": lambda: b"data_",
    "a page of the web": lambda: b"<html><script>1</script></html>",
    "empty": lambda: b"",
}
LARGE_STRUCTURES: dict[str, Make] = {
    "PDB, twenty thousand residues": lambda: pdb(19_990),
    "PDB, full of atoms": lambda: pdb(FULL // 81),
    "PDB, full of water": lambda: pdb(30) + pdb(FULL // 81 - 100, name="O", residue="HOH", kind="HETATM"),
    "PDB, full of ligands": lambda: pdb(30) + pdb(FULL // 81 - 100, name="C1", residue="LIG", kind="HETATM"),
    "PDB, residues without CA": lambda: pdb(30) + pdb(300_000, name="CB"),
    "PDB, full of models": lambda: long(b"MODEL        1\n" + pdb(3) + b"ENDMDL\n"),
    "PDB, models without an end": lambda: pdb(3) + long(b"MODEL\n"),
    "PDB, one long line": lambda: b"ATOM  " + long(b" "),
    "PDB, remarks": lambda: long(b"REMARK " + b"x" * 72 + b"\n"),
    "PDB, all in one place": lambda: pdb(3000, step=0.0),
    "mmCIF, full of atoms": lambda: cif(cif_rows(499_000)),
    "mmCIF, twenty thousand residues": lambda: cif(cif_rows(20_000)),
    "mmCIF, one very long value": lambda: cif(
        cif_rows(20_000) + b"ATOM 1 C CA ALA A 1 0 0 0 1 " + b"A" * 200_000 + b" ? . 1 20 1\n"
    ),
    "mmCIF, one very long quoted value": lambda: cif(
        cif_rows(20_000) + b"ATOM 1 C CA ALA A 1 0 0 0 1 '" + b"A " * 100_000 + b"' ? . 1 20 1\n"
    ),
    "mmCIF, one value of many lines": lambda: cif(
        cif_rows(20_000) + b"ATOM 1 C CA ALA A 1 0 0 0 1\n;" + b"A\n" * 100_000 + b";\n? . 1 20 1\n"
    ),
    "mmCIF, one value without end": lambda: b"data_x\n_atom_site.id " + long(b"x"),
    "mmCIF, text without end": lambda: b"data_x\n_a.b\n;" + long(b"x\n"),
    "mmCIF, an open quote": lambda: b"data_x\n_a.b '" + long(b"x "),
    "mmCIF, quotes": lambda: b"data_x\nloop_\n_a.b\n" + long(b"' "),
    "mmCIF, full of blocks": lambda: long(b"data_x\n"),
    "mmCIF, full of categories": lambda: b"data_x\n" + b"".join(b"_c%d.a 1\n" % n for n in range(2_000_000)),
    "mmCIF, full of columns": lambda: (
        b"data_x\nloop_\n" + b"".join(b"_atom_site.c%d\n" % n for n in range(2_000_000))
    ),
    "mmCIF, spaces": lambda: b"data_x\n" + long(b" "),
    "mmCIF, semicolons": lambda: b"data_x\n_a.b\n" + long(b";\n"),
    "gzip bomb": gzip_bomb,
    "NULs": lambda: long(b"\0"),
}

_SESSION = (
    '{"format": "esmviz session", "version": 1, "esmviz": "0", "source": "s", "proteins": [%s], "reports": [%s], '
    '"label_table": null, "structure": %s, "choices": {"protein": "a", "model": "mini", "layer": null, "head": 0, '
    '"precision": "float32"}, "settings": {%s}}'
)
_PROTEIN = '{"id": "%s", "sequence": "MKV", "description": "", "labels": {%s}}'


def session(proteins: str = "", count: int = 1, structure: str = "null", settings: str = "") -> bytes:
    ids = range(count) if count > 1 else ["a"]
    reports = ",".join(f'[{n}, {n}, "{name}", 3, "accepted", []]' for n, name in enumerate(ids, 1))
    return (_SESSION % (proteins or _PROTEIN % ("a", ""), reports, structure, settings)).encode()


def labelled(count: int, labels: int) -> str:
    return ",".join(
        _PROTEIN % (n, ",".join(f'"k{n}x{k}":"{n + k}"' for k in range(labels))) for n in range(count)
    )


SESSIONS: dict[str, Make] = {
    "plain": session,
    "nested": lambda: b"[" * 100_000,
    "nested objects": lambda: b'{"a":' * 10_000,
    "a huge number": lambda: session().replace(b'"head": 0', b'"head": ' + b"9" * 5000),
    "a number beyond floats": lambda: session().replace(b'"head": 0', b'"head": 1e999'),
    "no number": lambda: session().replace(b'"head": 0', b'"head": NaN'),
    "true for a number": lambda: session().replace(b'"head": 0', b'"head": true'),
    "lone surrogate": lambda: session(_PROTEIN % ("\\ud800", "")),
    "NUL in an id": lambda: session(_PROTEIN % ("a\\u0000", "")),
    "bidi in an id": lambda: session(_PROTEIN % ("a\\u202e", "")),
    "the same id twice": lambda: session(",".join([_PROTEIN % ("a", "")] * 2)),
    "a sequence of markup": lambda: session().replace(b"MKV", b"<b>"),
    "a structure that is none": lambda: session(structure='["x.pdb", "<html>"]'),
    "a setting of another type": lambda: session(settings='"other": [[[]]]'),
    "a later version": lambda: session().replace(b'"version": 1', b'"version": 2'),
    "cut": lambda: session()[:-20],
    "empty": lambda: b"",
}
LARGE_SESSIONS: dict[str, Make] = {
    "full of labels": lambda: session(labelled(10_000, 200), 10_000),
    "just as many labels as are taken": lambda: session(labelled(10_000, 140), 10_000),
    "full of strings": lambda: b'["' + long(b'a","'),
    "full of numbers": lambda: b"[" + long(b"1,"),
    "full of lists": lambda: b"[" + long(b"[],"),
    "full of names": lambda: session(settings=",".join(f'"s{n}": 1' for n in range(2_000_000))),
    "one long text": lambda: session().replace(b'"source": "s"', b'"source": "' + long(b"x")[:-1000] + b'"'),
    "gzip bomb": gzip_bomb,
    "million proteins": lambda: session(labelled(500_000, 0)),
}

SMALL = {"fasta": FASTA, "labels": LABELS, "structure": STRUCTURES, "session": SESSIONS}
KINDS = {
    "fasta": {**FASTA, **LARGE_FASTA},
    "labels": {**LABELS, **LARGE_LABELS},
    "structure": {**STRUCTURES, **LARGE_STRUCTURES},
    "session": {**SESSIONS, **LARGE_SESSIONS},
}
