"""What an undo is about: a file, or the files that a night has read."""

from __future__ import annotations

from tollbook.errors import NotFound, TollbookError, printable
from tollbook.run import withdrawn
from tollbook.run.catalogue import InputFile, Run
from tollbook.run.records import parse_file
from tollbook.run.session import Session


def parse(what: str) -> tuple[bool, int]:
    """Whether a night is named, and the number of it or of the file; raises TollbookError."""
    words = what.split()
    if len(words) == 2 and words[0] == "run" and words[1].isdecimal() and len(words[1]) <= 9:
        return True, int(words[1])
    if words[:1] == ["run"]:
        raise TollbookError(f"'{printable(what)}' names no run\n"
                            "    allowed: a night such as run 12\n"
                            "    do: see `tollbook runs`")  # fmt: skip
    return False, parse_file(what)


def files_of(session: Session, what: str) -> tuple[InputFile, ...]:
    """The files that ``F17`` or ``run 12`` names, as far as they have not been withdrawn before.

    Raises NotFound if there is no such thing; TollbookError if there is nothing to withdraw.
    """
    is_run, number = parse(what)
    catalogue = session.catalogue
    before = withdrawn.by_file(catalogue)
    if is_run:
        return _of_run(session, catalogue.run(number), before)
    file = catalogue.file(number)
    name = f"F{file.file_number} ({file.source}/{file.name})"
    if file.file_number in before:
        raise TollbookError(
            f"{name} was withdrawn by run {before[file.file_number].run_number}\n"
            "    allowed: files of which something is in the lake\n    do: nothing; to read it "
            f"again, `tollbook collection release F{file.file_number}` and `tollbook run`"
        )
    if file.refused:
        raise TollbookError(f"{name} was refused: nothing of it was used\n    allowed: files that "
                            "were read\n    do: nothing")  # fmt: skip
    return (file,)


def _of_run(session: Session, named: Run, before: dict[int, Run]) -> tuple[InputFile, ...]:
    number = named.run_number
    advice = {
        withdrawn.KIND: "`tollbook collection release` and `tollbook run` read its files again",
        "bill": "a month that is closed stays closed",
        "settle": "a month that is closed stays closed",
        "retry": "undo the files whose records it rated",
        "correct": "correct the records again",
        "discard": "undo the files of the records, and read them again",
    }  # fmt: skip
    if named.kind != "night":
        raise TollbookError(
            f"run {number} is of the kind {named.kind}\n    allowed: nights, and single files\n"
            f"    do: {advice.get(named.kind, 'name a night of `tollbook runs`')}"
        )
    files = session.catalogue.files(number)
    left = tuple(file for file in files if not file.refused and file.file_number not in before)
    if left:
        return left
    by = sorted({before[file.file_number].run_number for file in files
                 if file.file_number in before})  # fmt: skip
    if by:
        runs = ", ".join(map(str, by))
        raise TollbookError(
            f"run {number}: its files were withdrawn by run {runs}\n"
            "    allowed: nights of which something is in the lake\n    do: nothing"
        )
    raise NotFound(f"run {number} has read no file\n    allowed: nights that have read one\n"
                   "    do: see `tollbook runs`")  # fmt: skip
