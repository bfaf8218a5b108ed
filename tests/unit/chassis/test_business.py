"""The business file: errors name file, line and reason; what a tenant says is laid over the defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field, model_validator

from services.chassis.business import BadBusiness, Business, Section, Sections
from services.chassis.failures import Malformed

SERVICES = frozenset({"shop", "kitchen"})


class Dish(Section):
    name: str
    price: int = Field(ge=0)


class Voucher(Section):
    kind: Literal["voucher"]
    code: str = Field(max_length=4)


class Cash(Section):
    kind: Literal["cash"]


class ShopSection(Section):
    payment: Annotated[Voucher | Cash, Field(discriminator="kind")] | None = None
    greeting: str = "hello"
    dishes: tuple[Dish, ...] = ()
    hours: dict[str, int] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _sound(self) -> ShopSection:
        if self.greeting == "rude":
            raise ValueError("greeting: must be kind")
        return self


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


class Files:
    """The file that ships and one of the business's own, as a test writes them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def load(self, shipped: str | bytes, own: str | None = None) -> Business:
        path, mine = self.folder / "nps.yaml", self.folder / "own.yaml"
        path.write_bytes(shipped if isinstance(shipped, bytes) else shipped.encode())
        if own is not None:
            mine.write_text(own)
        return Business.load(path, None if own is None else mine, SERVICES)

    def shop(self, shipped: str, own: str | None = None) -> Sections[ShopSection]:
        return self.load(shipped, own).sections("shop", ShopSection)

    def fault(self, shipped: str | bytes, own: str | None = None) -> str:
        with pytest.raises(BadBusiness) as caught:
            self.load(shipped, own).sections("shop", ShopSection)
        return str(caught.value).replace(f"{self.folder}/", "")


def test_a_tenant_has_the_defaults(files: Files) -> None:
    shop = files.shop("defaults: {shop: {greeting: hi}}\ntenants: {acme: {}}")
    assert shop.of("acme").greeting == "hi"


def test_what_a_tenant_says_is_laid_over_the_defaults(files: Files) -> None:
    shop = files.shop(
        "defaults: {shop: {greeting: hi, hours: {mon: 8, tue: 9}}}\ntenants: {acme: {shop: {hours: {tue: 10}}}}"
    )
    assert (shop.of("acme").greeting, shop.of("acme").hours) == ("hi", {"mon": 8, "tue": 10})


def test_lists_are_replaced_whole(files: Files) -> None:
    soup, tea = "{name: soup, price: 5}", "{name: tea, price: 2}"
    shop = files.shop(
        f"defaults: {{shop: {{dishes: [{soup}, {tea}]}}}}\ntenants: {{acme: {{shop: {{dishes: [{tea}]}}}}}}"
    )
    assert [dish.name for dish in shop.of("acme").dishes] == ["tea"]


def test_a_file_of_our_own_says_only_what_differs(files: Files) -> None:
    shipped = "defaults: {shop: {greeting: hi, hours: {mon: 8}}}\ntenants: {default: {}}"
    shop = files.shop(shipped, "defaults: {shop: {greeting: ahoy}}\ntenants: {acme: {shop: {hours: {tue: 9}}}}")
    assert shop.of("default").greeting == "ahoy"
    assert shop.of("acme").hours == {"mon": 8, "tue": 9}


def test_an_empty_file_of_our_own_changes_nothing(files: Files) -> None:
    assert files.shop("tenants: {acme: {}}", "").of("acme").greeting == "hello"


def test_a_tenant_that_nobody_named_is_not_known(files: Files) -> None:
    shop = files.shop("tenants: {acme: {}}")
    assert not shop.knows("other")
    with pytest.raises(Malformed, match="tenant: not in the business file"):
        shop.of("other")


def test_a_star_stands_for_every_name_that_begins_so(files: Files) -> None:
    named = "'demo-*': {shop: {greeting: demo}}, 'demo-x*': {shop: {greeting: x}}, demo-xy: {shop: {greeting: xy}}"
    shop = files.shop(f"tenants: {{'*': {{}}, {named}}}")
    greetings = [shop.of(name).greeting for name in ("demo-1", "demo-x1", "demo-xy", "acme")]
    assert greetings == ["demo", "x", "xy", "hello"]
    assert not files.shop("tenants: {'demo-*': {}}").knows("acme")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("tenants: {acme: {}}\ndefault: {}", "nps.yaml:2: default: unknown; there are defaults and tenants"),
        (
            "tenants:\n  acme:\n    shpo: {}",
            "nps.yaml:3: tenants.acme.shpo: no such section; there are kitchen, shop",
        ),
        (
            "defaults:\n  shpo: {}\ntenants: {acme: {}}",
            "nps.yaml:2: defaults.shpo: no such section; there are kitchen, shop",
        ),
        (
            "tenants:\n  acme:\n    shop:\n      greting: hi",
            "nps.yaml:4: tenants.acme.shop.greting: extra inputs are not permitted",
        ),
        (
            "tenants:\n  acme:\n    shop:\n      dishes:\n        - {name: tea, price: -1}",
            "nps.yaml:5: tenants.acme.shop.dishes.0.price: input should be greater than or equal to 0",
        ),
        (
            "tenants:\n  acme:\n    shop:\n      dishes:\n        - name: tea",
            "nps.yaml:5: tenants.acme.shop.dishes.0.price: field required",
        ),
        ("tenants:\n  acme:\n    shop:\n      greeting: rude", "nps.yaml:3: tenants.acme.shop: greeting: must be kind"),
        ("tenants: [acme]", "nps.yaml:1: tenants: required, a section for each tenant"),
        ("defaults: {}", "nps.yaml:1: tenants: required, a section for each tenant"),
        ("", "nps.yaml:1: tenants: required, a section for each tenant"),
        ("- a", "nps.yaml:1: must be a mapping with defaults and tenants"),
        ("tenants:\n  acme: 5", "nps.yaml:2: tenants.acme: must have a section a service"),
        ("tenants:\n  acme:\n    shop: 5", "nps.yaml:3: tenants.acme.shop: must be a mapping"),
        ("defaults:\n  shop: [1]\ntenants: {acme: {}}", "nps.yaml:2: defaults.shop: must be a mapping"),
        ("tenants:\n  no: {}", "nps.yaml:1: tenants.False: a tenant's name is text: put it in quotes"),
        ("tenants:\n  acme: {shop: {greeting: 'hi}}", "nps.yaml:2: no YAML: found unexpected end of stream"),
        ("tenants:\n\tacme: {}", "nps.yaml:2: no YAML: found character '\\t' that cannot start any token"),
    ],
)
def test_a_fault_names_file_line_and_reason(files: Files, text: str, fault: str) -> None:
    assert files.fault(text) == fault


def test_a_fault_in_the_defaults_is_told_once_and_where_it_stands(files: Files) -> None:
    tenants = "tenants:\n  acme: {}\n  other: {shop: {}}\n"
    fault = files.fault(tenants + "defaults:\n  shop:\n    dishes:\n      - name: tea\n        price: x")
    assert fault.startswith("nps.yaml:8: defaults.shop.dishes.0.price: input should be a valid integer")
    assert len(fault.splitlines()) == 1


def test_what_is_missing_in_the_defaults_is_told_where_it_is_missing(files: Files) -> None:
    text = "tenants: {acme: {}}\ndefaults:\n  shop:\n    dishes:\n      - price: 2"
    assert files.fault(text) == "nps.yaml:5: defaults.shop.dishes.0.name: field required"


def test_a_fault_names_the_file_it_stands_in(files: Files) -> None:
    shipped = "tenants: {acme: {}}\ndefaults:\n  shop:\n    greeting: 5"
    assert files.fault(shipped, "tenants:\n  other: {}").startswith("nps.yaml:4: defaults.shop.greeting:")
    assert files.fault("tenants: {acme: {}}", "tenants:\n  acme: {shop: {greeting: 5}}").startswith("own.yaml:2:")


def test_every_fault_is_told_at_once(files: Files) -> None:
    fault = files.fault("tenants:\n  acme: {shop: {greeting: 5}}\n  other:\n    shop: {dishes: 7}")
    assert [line.split(":")[1] for line in fault.splitlines()] == ["2", "4"]


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadBusiness, match=r"nowhere\.yaml: cannot be read: No such file or directory"):
        Business.load(tmp_path / "nowhere.yaml", None, SERVICES)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"tenants: {acme: {}}\n\x00", b"tenants: \xc3"])
def test_a_file_that_is_no_text_is_no_yaml(files: Files, content: bytes) -> None:
    assert files.fault(content).startswith("nps.yaml: no YAML: ")


def test_of_several_kinds_the_fault_is_told_where_it_stands(files: Files) -> None:
    text = "tenants:\n  a:\n    shop:\n      payment:\n        kind: voucher\n"
    assert files.fault(text + "        code: ABCDE\n") == (
        "nps.yaml:6: tenants.a.shop.payment.code: string should have at most 4 characters"
    )
    assert files.fault(text) == "nps.yaml:4: tenants.a.shop.payment.code: field required"


def test_a_part_of_a_section_is_found_where_it_is_written(tmp_path: Path) -> None:
    shipped, own = tmp_path / "shipped.yaml", tmp_path / "own.yaml"
    shipped.write_text("defaults:\n  shop:\n    greeting: hi\n    hours: {monday: 9}\ntenants:\n  acme-*: {}\n")
    own.write_text("tenants:\n  acme-*:\n    shop:\n      hours:\n        friday: 8\n")
    business = Business.load(shipped, own, SERVICES)
    assert business.tree("shop", "acme-1") == {"greeting": "hi", "hours": {"monday": 9, "friday": 8}}
    greeting, friday = (business.place("shop", "acme-1", path) for path in (("greeting",), ("hours", "friday")))
    assert (str(greeting), greeting.whose) == (f"{shipped}:3", ("defaults",))
    assert (str(friday), friday.whose) == (f"{own}:5", ("tenants", "acme-*"))
    with pytest.raises(Malformed):
        business.tree("shop", "nobody")
