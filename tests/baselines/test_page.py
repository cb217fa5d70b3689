"""The page of a comparison: as a file, and in a real browser without a network."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from plotly.offline import get_plotlyjs
from synthetic_comparison import DIVERGING, REFUSED, made_up_records

from jumpgym.baselines.report.page import page
from jumpgym.baselines.report.page_data import LINES, SYMBOLS, to_json
from jumpgym.baselines.report.styles import DASHES, MARKERS, styles_of
from jumpgym.baselines.report.tables import tables_of
from jumpgym.baselines.runs.methods import METHODS

ENVS = ("jumpgym/SetupCost-v0", "jumpgym/JointReplenishment-v0", "jumpgym/MinInvestment-v0")
AGENTS = ("mixed", "gumbel", DIVERGING, "ppo-gate", REFUSED)
HOSTILE = '</script><img src="https://example.org/x" onerror="document.title=1">'
PHONE = 390


@pytest.fixture(scope="module")
def html() -> str:
    records = made_up_records(ENVS, AGENTS, seeds=2, budgets=(5.0, 20.0), command=HOSTILE, note=HOSTILE)
    return page(tables_of(records)).decode()


class Elements(HTMLParser):
    """All elements with their attributes, and the contents of scripts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.cdata_elem == "script":
            self.scripts.append(data)


def without_plotly(html: str) -> str:
    assert get_plotlyjs() in html
    return html.replace(get_plotlyjs(), "")


def test_one_file_loads_nothing(html: str) -> None:
    own = without_plotly(html)
    for tag, attributes in Elements(own).found:
        assert tag not in ("iframe", "object", "embed", "base", "img"), tag
        assert "src" not in attributes, (tag, attributes)
        if tag != "a":
            assert attributes.get("href", "data:,") == "data:,", (tag, attributes)
    assert not re.search(r"@import|url\(", own)
    assert "default-src 'none'" in own


def test_hostile_text_stays_text(html: str) -> None:
    elements = Elements(without_plotly(html))
    assert [tag for tag, _ in elements.found].count("script") == 3
    assert not [attributes for _, attributes in elements.found if "onerror" in attributes]
    data = json.loads(elements.scripts[0])
    facts = dict(data["problems"][0]["facts"])
    assert HOSTILE in facts["Best classical policy"]  # it is there, as text
    assert "&lt;/script&gt;&lt;img" in html


def test_everything_is_in_it(html: str) -> None:
    elements = Elements(without_plotly(html))
    data = json.loads(elements.scripts[0])
    assert [problem["title"] for problem in data["problems"]] == [
        "SetupCost",
        "JointReplenishment",
        "MinInvestment",
    ]
    assert sorted(data["order"]) == sorted(AGENTS)
    for problem in data["problems"]:
        assert set(problem["curves"]) == {"5 CPU seconds", "20 CPU seconds"}
        assert problem["budgets"][0]["cpu_seconds"]["x"] == [5, 20]
        lines = problem["curves"]["20 CPU seconds"]
        refused = {REFUSED} if problem["title"] == "JointReplenishment" else set()
        assert {line["method"] for line in lines} == set(AGENTS) - refused
        assert set(problem["decisions"]["methods"]) == set(AGENTS) - refused | {"optimum", "classical"}
    body = html[html.index("<body>") :]
    for name in AGENTS:
        assert f'id="method-{name}"' in body
    assert re.search(r'title="does not apply: levels on a grid[^"]*">n/a<', body)
    assert re.search(r'title="1 of 2 runs diverged[^"]*">', body)


def test_plain_json() -> None:
    assert (
        to_json({"a": [float("nan"), 1.23456789, 2.0, "</script>"]})
        == '{"a":[null,1.2346,2,"\\u003c/script>"]}'
    )


def test_marks_differ_without_colours() -> None:
    styles = styles_of(METHODS).values()
    assert len({(style["linestyle"], SYMBOLS[style["marker"]]) for style in styles}) == len(METHODS)
    assert set(SYMBOLS) == set(MARKERS)
    assert len(LINES) == len(DASHES)


def test_full_size() -> None:
    """All methods and three seeds on twelve problems with maps, which take more room than lines."""
    one, two = (len(page(tables_of(made_up_records(envs, points=160)))) for envs in (ENVS[:1], ENVS[:2]))
    assert one < two
    assert one + 11 * (two - one) < 7e6


@pytest.fixture(scope="module")
def browser(html: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The page in headless Chromium without a network."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        assert not os.environ.get("CI"), "chromium and chromedriver must be on the PATH"
        pytest.skip("needs chromium and chromedriver on the PATH")
    from selenium import webdriver

    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(html, "utf-8")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage"):
        options.add_argument(f"--{argument}")
    options.add_argument("--window-size=1280,900")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with webdriver.Chrome(options, webdriver.ChromeService(driver)) as chrome:
        chrome.execute_cdp_cmd("Network.enable", {})
        offline = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
        chrome.execute_cdp_cmd("Network.emulateNetworkConditions", offline)
        chrome.get(path.as_uri())
        yield chrome


def problem_shown(browser: Any) -> str:
    return browser.execute_script("return document.getElementById('problem-title').textContent")


def curve(browser: Any, name: str) -> Any:
    """The x values of a line as Plotly has it, or None."""
    script = "return document.getElementById('curves').data.find((trace) => trace.name === arguments[0])?.x"
    return browser.execute_script(script, name)


def column(browser: Any, place: int) -> list[float]:
    """Numbers in a column of the long table, NaN where there is none."""
    script = """return Array.from(document.querySelectorAll("#all-numbers tbody tr"),
        (row) => row.cells[arguments[0]].dataset.v ?? "nan")"""
    return [float(value) for value in browser.execute_script(script, place)]


def choose(browser: Any, name: str, text: str) -> None:
    from selenium.webdriver.support.select import Select

    Select(browser.find_element("id", name)).select_by_visible_text(text)


def test_loads_without_errors(browser: Any) -> None:
    assert browser.execute_script("return performance.getEntriesByType('resource').length") == 0
    assert not [entry for entry in browser.get_log("browser") if entry["level"] != "INFO"]
    assert curve(browser, "mixed") is not None
    # The log does catch errors: the policy forbids scripts that are not the page's own.
    browser.execute_script(
        "document.body.insertAdjacentHTML('beforeend', '<img src=\"https://example.org/\">')"
    )
    assert browser.get_log("browser")


def test_header_sorts(browser: Any) -> None:
    headers = browser.find_elements("css selector", "#all-numbers thead th")
    place = [header.text.strip() for header in headers].index("median")
    before = column(browser, place)
    numbers = sorted(value for value in before if value == value)
    button = headers[place].find_element("tag name", "button")
    for descending, word in ((False, "ascending"), (True, "descending")):
        button.click()
        after = column(browser, place)
        assert headers[place].get_attribute("aria-sort") == word
        assert after[: len(numbers)] == sorted(numbers, reverse=descending) != before
        assert all(value != value for value in after[len(numbers) :])  # n/a last in both orders
        assert len(after) == len(before) > len(numbers)


def test_filters(browser: Any) -> None:
    def rows() -> list[str]:
        script = """return Array.from(document.querySelectorAll("#all-numbers tbody tr"))
            .filter((row) => row.offsetHeight > 0).map((row) => row.textContent)"""
        return browser.execute_script(script)

    every = rows()
    field = browser.find_element("id", "filter-text")
    field.send_keys("ppo-GATE")
    assert len(rows()) == 6 < len(every)
    choose(browser, "filter-problem", "MinInvestment")
    choose(browser, "filter-budget", "5 CPU seconds")
    (row,) = rows()
    assert row.startswith("MinInvestmentppo-gate5 CPU seconds")
    assert browser.find_element("id", "filter-count").text.startswith("1 of ")
    field.clear()
    choose(browser, "filter-problem", "all")
    choose(browser, "filter-budget", "all")
    assert rows() == every


def test_problem_switches(browser: Any) -> None:
    assert problem_shown(browser) == "One problem: SetupCost"
    first = curve(browser, "mixed")
    maps = "return document.querySelectorAll('#policies .heatmaplayer .hm').length"
    assert browser.execute_script(maps) == 0
    browser.find_element("id", "problem-next").click()
    assert problem_shown(browser) == "One problem: JointReplenishment"
    assert curve(browser, "mixed") != first
    assert browser.current_url.endswith("#JointReplenishment-v0")
    assert browser.execute_script(maps) == 4  # reference and method in two periods
    browser.execute_script("location.hash = '#MinInvestment-v0'")
    assert problem_shown(browser) == "One problem: MinInvestment"
    choose(browser, "problem-select", "SetupCost")
    assert problem_shown(browser) == "One problem: SetupCost"
    assert curve(browser, "mixed") == first


def test_spent_switches(browser: Any) -> None:
    title = "return document.getElementById('curves').layout.xaxis.title.text"
    assert "CPU seconds" in browser.execute_script(title)
    seconds = curve(browser, "mixed")
    browser.find_element("css selector", "input[value=transitions]").click()
    assert browser.execute_script(title) == "transitions"
    assert curve(browser, "mixed")[-1] > 1000 * seconds[-1]
    browser.find_element("css selector", "input[value=cpu_seconds]").click()
    assert curve(browser, "mixed") == seconds


def test_legend_hides_a_method(browser: Any) -> None:
    shown = """return Array.from(document.querySelectorAll("[data-of=curves] button"))
        .find((button) => button.textContent === "gumbel")"""
    browser.execute_script(shown).click()
    assert curve(browser, "gumbel") is None
    assert browser.execute_script(shown).get_attribute("aria-pressed") == "false"
    browser.execute_script(shown).click()
    assert curve(browser, "gumbel") is not None


def test_hover_tells_the_gap(browser: Any) -> None:
    from selenium.webdriver import ActionChains
    from selenium.webdriver.support.ui import WebDriverWait

    points = browser.find_elements("css selector", "#curves .scatterlayer .trace:last-child .point")
    browser.execute_script("arguments[0].scrollIntoView({ block: 'center' })", points[3])
    ActionChains(browser).move_to_element(points[3]).perform()
    find = "return document.querySelector('#curves .hoverlayer')?.textContent"
    told = WebDriverWait(browser, 5).until(lambda chrome: chrome.execute_script(find))
    assert re.search(r"CPU s.*gap [\d.,]+ % \(", told)


def test_fits_a_phone(browser: Any) -> None:
    size = {"width": PHONE, "height": 800, "deviceScaleFactor": 2, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        browser.refresh()
        assert browser.execute_script("return document.documentElement.scrollWidth") <= PHONE
        assert (
            browser.execute_script("return document.querySelector('.tall').scrollWidth") > PHONE
        )  # within its box
        assert (
            browser.execute_script("return document.querySelector('#curves .main-svg').clientWidth") <= PHONE
        )
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
