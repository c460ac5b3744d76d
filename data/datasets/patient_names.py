"""Whose image a file is, by its name: in an NIH set, or by a rule that the user gives."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import InputError
from ..pseudonym import pseudonym
from .nih_layout import is_in_nih_set
from .nih_name import nih_patient

NIH = "nih"

OPTION = "--patient-from"
_EXAMPLE = r"'p(\d+)_'"


@dataclass(frozen=True)
class PatientNames:
    """Reads patients from the names of image files.

    Attributes
    ----------
    source : str or None
        `nih`: any name of the NIH form holds a patient's number; None: only in the folders of an NIH set.
        Otherwise a regular expression with one group, the patient, which is searched in the name.
    salt : bytes or None
        Key of the hashes that replace the patients; None: they stay in clear.

    Raises
    ------
    InputError
        If the regular expression cannot be used.
    """

    source: str | None = None
    salt: bytes | None = field(default=None, repr=False)
    _nih_folders: dict[Path, bool] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check the regular expression."""
        if self._pattern is not None:
            _check_pattern(self._pattern)

    def patient(self, name: str, path: Path | None, stated: str | None = None) -> str:
        """Return the patient of an image, or "".

        Parameters
        ----------
        name : str
            The image's path with `/`, relative to the folder of the run.
        path : Path or None
            Its file, if it has one.
        stated : str, optional
            The hash of the patient that the file itself states; the name takes precedence.
        """
        found = self._find([name], [path])[0]
        if found and self.salt is not None:
            # As for a clinical table: no issuer.
            found = pseudonym(self.salt, found, "")
        return found or stated or ""

    def check(self, names: Sequence[str], paths: Sequence[Path]) -> str | None:
        """Compare the rule with the names of a run.

        Returns
        -------
        str or None
            One line for the user about names that the rule does not read; None if there is nothing to say.

        Raises
        ------
        InputError
            If a rule was given, and no name holds a patient by it.
        """
        found = sum(map(bool, self._find(names, paths)))
        if self.source is None:
            alike = sum(nih_patient(name) is not None for name in names) - found
            return _alike_note(alike) if alike else None
        if names and not found:
            raise InputError(
                f"{OPTION} {self.source}: none of the {len(names)} images has such a name, as {names[0]!r}; "
                "correct it, or leave it out"
            )
        if found == len(names):
            return None
        return f"{len(names) - found} of {len(names)} images have no patient by {OPTION} {self.source}"

    @property
    def _pattern(self) -> str | None:
        return None if self.source in (None, NIH) else self.source

    def _find(self, names: Sequence[str], paths: Sequence[Path | None]) -> list[str]:
        if self._pattern is not None:
            return _search(self._pattern, names)
        return [
            (nih_patient(name) or "") if self.source == NIH or self._is_nih(path) else ""
            for name, path in zip(names, paths, strict=True)
        ]

    def _is_nih(self, path: Path | None) -> bool:
        if path is None:
            return False
        if (known := self._nih_folders.get(path.parent)) is None:
            known = self._nih_folders[path.parent] = is_in_nih_set(path.parent)
        return known


def _alike_note(count: int) -> str:
    """Report names of the NIH form outside an NIH set."""
    return (
        f"{count} file names have the form of the NIH data set, but none of its tables is there: patient_id "
        f"stays empty; if they are of that set, give {OPTION} {NIH}"
    )


def _check_pattern(pattern: str) -> None:
    try:
        groups = re.compile(pattern).groups
    except (re.error, RecursionError, OverflowError) as error:
        raise InputError(
            f"{OPTION} {pattern}: is neither {NIH} nor a regular expression ({error}), such as {_EXAMPLE}"
        ) from error
    if groups != 1:
        raise InputError(
            f"{OPTION} {pattern}: has {groups} groups, but needs one, the patient, as in {_EXAMPLE}; "
            "(?:...) groups without counting"
        )
    _search(pattern, [""])


def _search(pattern: str, names: Sequence[str]) -> list[str]:
    """Return what the group matches in each name, or "".

    RE2 takes time proportional to a name's length, whatever the pattern.
    """
    import pyarrow as pa  # slow to load, and few runs give a pattern
    import pyarrow.compute as pc

    texts = pa.array([name.encode("utf-8", "backslashreplace").decode() for name in names], pa.string())
    try:
        matches = pc.match_substring_regex(texts, pattern).to_pylist()
        whole = rf"\A(?s:.*?)(?:{pattern})(?s:.*)\z"
        groups = pc.replace_substring_regex(texts, pattern=whole, replacement=r"\1").to_pylist()
    except pa.ArrowInvalid as error:
        raise InputError(
            f"{OPTION} {pattern}: cannot be used ({error}); look-around and back-references are not supported"
        ) from error
    return [group.strip() if matched else "" for group, matched in zip(groups, matches, strict=True)]
