"""What is installed, according to the metadata of packages."""

from __future__ import annotations

from collections.abc import Callable

from cxr.machine.packages import (
    all_versions,
    distributions_of,
    extras,
    installed_version,
    missing_requirements,
)

Install = Callable[..., None]


def _install_cxr(install: Install) -> None:
    install("here", "1.5")
    install("early", "2.0rc1")
    install(
        "cxr",
        "9",
        extras=["some", "other", "all", "test", "dev"],
        requires=[
            "here>=1",
            "nowhere-at-all>=3",
            'here>=2; extra == "some"',
            'absent-of-some; extra == "some"',
            'early>=1; extra == "some"',
            'long-gone; python_version < "3" and extra == "some"',
            'early; extra == "other"',
        ],
    )


def test_missing_requirements_of_cxr_do_not_include_its_extras(install: Install) -> None:
    _install_cxr(install)
    assert missing_requirements() == {"nowhere-at-all>=3": None}


def test_missing_requirements_of_an_extra_name_the_installed_version(install: Install) -> None:
    _install_cxr(install)
    assert missing_requirements("some") == {"here>=2": "1.5", "absent-of-some": None}
    assert missing_requirements("other") == {}


def test_extras_for_developers_are_not_listed(install: Install) -> None:
    _install_cxr(install)
    assert extras() == ("some", "other")


def test_versions_are_those_of_the_installed_requirements(install: Install) -> None:
    _install_cxr(install)
    found = all_versions()
    assert next(iter(found.items())) == ("cxr", "9")
    assert (found["here"], found["early"]) == ("1.5", "2.0rc1")
    assert "nowhere-at-all" not in found
    assert installed_version("nowhere-at-all") is None


def test_all_packages_that_install_the_same_module_are_named(install: Install) -> None:
    install("one-wheel", "1", module="shared_module")
    install("another-wheel", "2", module="shared_module")
    assert distributions_of("shared_module") == ("another-wheel", "one-wheel")
    assert distributions_of("no_such_module") == ()
