from __future__ import annotations

from contextlib import ExitStack

import cv2

from cxr.infer.concurrency import single_threaded_opencv


def test_runs_side_by_side_leave_the_number_of_opencv_threads_as_it_was() -> None:
    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(4)
        first, second = ExitStack(), ExitStack()
        first.enter_context(single_threaded_opencv())
        second.enter_context(single_threaded_opencv())
        first.close()
        assert cv2.getNumThreads() == 1
        second.close()
        assert cv2.getNumThreads() == 4
    finally:
        cv2.setNumThreads(before)
