"""The training text: the King James Bible as Debian packages it, one document a chapter.

Debian's `bible-kjv-text` holds the text (public domain: the translation dates from 1611) in
a compressed form that the program of `bible-kjv` reads. If that program is not installed, both
packages are fetched with apt-get and unpacked into a temporary directory, without installing.
"""

import glob
import os
import re
import shutil
import subprocess
import tempfile

BOOKS = (
    "Genesis|Exodus|Leviticus|Numbers|Deuteronomy|Joshua|Judges|Ruth|1 Samuel|2 Samuel|1 Kings|"
    "2 Kings|1 Chronicles|2 Chronicles|Ezra|Nehemiah|Esther|Job|Psalms|Proverbs|Ecclesiastes|"
    "Song of Solomon|Isaiah|Jeremiah|Lamentations|Ezekiel|Daniel|Hosea|Joel|Amos|Obadiah|Jonah|"
    "Micah|Nahum|Habakkuk|Zephaniah|Haggai|Zechariah|Malachi|Matthew|Mark|Luke|John|Acts|Romans|"
    "1 Corinthians|2 Corinthians|Galatians|Ephesians|Philippians|Colossians|1 Thessalonians|"
    "2 Thessalonians|1 Timothy|2 Timothy|Titus|Philemon|Hebrews|James|1 Peter|2 Peter|1 John|"
    "2 John|3 John|Jude|Revelation"
).split("|")

# Whole books that training never sees; Ruth and Jonah have no parallel passage elsewhere.
HELD_OUT = ("Ruth", "Jonah")


def _run_bible(program, data_dir):
    command = [program, "-l", "100000", "-f"]
    if data_dir:
        command += ["-p", data_dir]
    result = subprocess.run(command + ["gen1:1-rev22:21"], check=True, capture_output=True)
    return result.stdout.decode("ascii")


def raw_text():
    """Every verse on a line, as `Ge1:1 In the beginning ...`."""
    program = shutil.which("bible")
    if program:
        return _run_bible(program, None)
    with tempfile.TemporaryDirectory() as work:
        subprocess.run(
            ["apt-get", "download", "bible-kjv", "bible-kjv-text"],
            cwd=work, check=True, capture_output=True,
        )
        for package in glob.glob(os.path.join(work, "*.deb")):
            subprocess.run(["dpkg-deb", "-x", package, work], check=True)
        return _run_bible(os.path.join(work, "usr/bin/bible"), os.path.join(work, "usr/lib"))


def chapters():
    """A list of (book, chapter number, text); the text starts with a heading line."""
    result, book, abbreviation = [], -1, None
    for line in raw_text().splitlines():
        match = re.fullmatch(r"(\d?[A-Za-z]+)(\d+):(\d+) (.*)", line)
        if not match:
            raise ValueError(f"unexpected line in the text: {line!r}")
        name, chapter, verse, words = match[1], int(match[2]), int(match[3]), match[4].strip()
        if name != abbreviation:
            book, abbreviation = book + 1, name
        if verse == 1:
            result.append([BOOKS[book], chapter, [f"{BOOKS[book]} {chapter}\n"]])
        result[-1][2].append(words)
    if book + 1 != len(BOOKS) or len(result) != 1189:
        raise ValueError(f"expected 66 books and 1189 chapters, got {book + 1} and {len(result)}")
    return [(name, chapter, "\n".join(lines) + "\n") for name, chapter, lines in result]


def split():
    """(training chapters, held-out chapters), texts only."""
    both = chapters()
    return (
        [text for book, _, text in both if book not in HELD_OUT],
        [text for book, _, text in both if book in HELD_OUT],
    )
