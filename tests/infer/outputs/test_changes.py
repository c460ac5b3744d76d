"""What a later call has to do, from the listing and the journal."""

from __future__ import annotations

from pathlib import Path

from cxr.infer.outputs.changes import Changes, find_changes
from cxr.infer.outputs.contents import Entry
from cxr.infer.outputs.ledger import Ledger, Source
from cxr.infer.records import Failure, ImageFile, Stage


def image(key: str) -> ImageFile:
    return ImageFile(key, Path(key), 10, 20)


def unreadable(key: str) -> Failure:
    return Failure(key, Stage.LIST, "cannot read this folder")


def changes(entries: list[Entry], finished: list[Source], *, forget: bool = False) -> Changes:
    ledger = Ledger(finished={source.key: source for source in finished})
    return find_changes(entries, ledger, changed=(), retried=(), forget_missing=forget)


def test_images_below_a_folder_that_cannot_be_read_are_not_missing() -> None:
    finished = [Source("ward/a.png", 10, 20), Source("ward2/b.png", 10, 20)]
    for forget in (False, True):
        found = changes([unreadable("ward")], finished, forget=forget)
        assert (*found.missing, *found.forgotten) == ("ward2/b.png",)
        assert found.remaining == (unreadable("ward"),)


def test_folder_that_can_be_read_again_is_no_longer_a_failure() -> None:
    finished = [Source("ward", listing_error="cannot read this folder")]
    found = changes([image("ward/a.png")], finished)
    assert (found.dropped, found.missing, found.remaining) == (("ward",), (), (image("ward/a.png"),))


def test_entries_that_never_finished_remain() -> None:
    found = changes([image("a.png"), image("b.png")], [Source("a.png", 10, 20)])
    assert found == Changes(remaining=(image("b.png"),))
