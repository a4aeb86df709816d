"""The report: what the page holds, that nothing escapes into it, and that a browser draws it."""

import html
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support.logs import KINDS, as_kind, random_log

from daskrec.comparison import Comparison, compare
from daskrec.comparison.collect import dates
from daskrec.errors import LogError
from daskrec.metrics import NDCG, Coverage
from daskrec.models import KNN, PopRec, RandomRec, Wilson
from daskrec.report import figures
from daskrec.report import page as pages
from daskrec.report.theme import DARK, LIGHT
from daskrec.splitters import UserSplitter

ATTACK = "<script>document.documentElement.dataset.attacked = 'yes'</script>"
BREAKOUT = "</script>" + ATTACK
IMAGE = "\"'><img src=x onerror=\"document.documentElement.dataset.attacked = 'yes'\">"


def hostile_log() -> pd.DataFrame:
    """Return a log whose ids are markup, with times."""
    log = random_log(rows=900)
    log["user_idx"] = IMAGE + log["user_idx"].astype(str)
    log["item_idx"] = ATTACK + log["item_idx"].astype(str)
    log["timestamp"] = 880_000_000 + 86_400 * np.arange(len(log))
    return log


@pytest.fixture(scope="module")
def split() -> tuple[pd.DataFrame, pd.DataFrame]:
    return UserSplitter(item_test_size=3, drop_cold_items=True).split(hostile_log())


@pytest.fixture(scope="module")
def found(split) -> Comparison:
    models = {
        f"knn {ATTACK}": KNN(num_neighbours=10),
        f"pop {IMAGE}": PopRec(),
        "random": RandomRec(seed=0),
        f"fails {BREAKOUT}": Wilson(),
    }
    return compare(models, *split, k=[1, 5, 10], bootstrap=200)


@pytest.fixture(scope="module")
def titles(split) -> pd.DataFrame:
    items = split[0]["item_idx"].unique()
    names = [f"{BREAKOUT} {n}" for n in range(len(items))]
    return pd.DataFrame({"item_idx": items, "title": names})


@pytest.fixture(scope="module")
def path(found: Comparison, titles: pd.DataFrame, tmp_path_factory) -> Path:
    target = tmp_path_factory.mktemp("report") / "deep" / "report.html"
    assert found.report(target, titles, title=f"A {ATTACK} & more") == str(target)
    return target


@pytest.fixture(scope="module")
def text(path: Path) -> str:
    return path.read_text("utf-8")


def own_part(text: str) -> str:
    """Return the page without the script of plotly."""
    start = text.index("/**\n* plotly.js")
    return text[:start] + text[text.index("</script>", start) :]


# ---------------------------------------------------------------- what the page holds


def test_nothing_of_the_data_is_markup(text: str) -> None:
    page = own_part(text)
    assert "<script>document" not in page
    assert "<img" not in page
    assert html.escape(f"A {ATTACK} & more") in page
    # Scripts: two of data, plotly, and that of the page.
    assert text.count("<script") - text.count("<script>function") >= 4
    assert len(re.findall(r"<script(?: type=\"application/json\" id=\"\w+\")?>", page)) == 4


def test_only_the_scripts_of_the_page_may_run_and_nothing_is_fetched(text: str) -> None:
    page = own_part(text)
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    assert "default-src 'none'" in policy[1]
    assert re.search(r"script-src 'sha256-[^ ]+' 'sha256-[^ ]+';", policy[1])
    assert not re.search(r"(?:src|href)\s*=\s*[\"']?(?:https?:)?//", page)
    assert "@import" not in page
    assert "url(" not in page


def test_the_page_is_one_file_of_reasonable_size(text: str) -> None:
    assert text.count("* plotly.js v") == 1
    assert len(own_part(text)) < 600_000
    assert len(text.encode()) < 8_000_000


def test_the_table_holds_the_results(found: Comparison, text: str) -> None:
    for column in (name for name in found.results if name[-1].isdigit()):
        for value in found.results[column].dropna():
            assert f'data-value="{value!r}"' in text, column
    failed = html.escape(found.results["error"].iloc[-1])
    assert f'<td class="failed" colspan="99">failed. {failed}' in text
    low = found.results["NDCG@10_low"].iloc[0]
    assert f"{low:.3f}&ndash;" in text


def test_the_best_of_a_column_is_marked_and_others_by_their_p_values(
    found: Comparison, text: str
) -> None:
    rows = re.findall(r"<tr><th scope=\"row\".*?</tr>", text, re.S)
    assert len(rows) == 3
    place = [name for name in found.results if name[-1].isdigit()].index("NDCG@10")
    cells = [re.findall(r"<td.*?</td>", row)[place] for row in rows]
    assert 'class="best"' in cells[0]
    test = found.tests[found.tests["metric"] == "NDCG@10"].set_index("model")
    for cell, name in zip(cells[1:], found.results.index[1:], strict=False):
        p_value = test.loc[name, "p_holm"]
        stars = sum(p_value < level for level in (0.05, 0.01, 0.001))
        assert cell.count("*") == stars
        assert ('class="tied"' in cell) == (stars == 0)


def test_figures_hold_the_results(found: Comparison, text: str) -> None:
    data = re.search(r'<script type="application/json" id="figures">(.*?)</script>', text, re.S)
    assert data is not None
    drawn = json.loads(data[1])
    some = {"bars", "against-Coverage", "against-Surprisal", "by-k-NDCG", "popularity"}
    assert some <= set(drawn)
    # Novelty is 1 for all: there is nothing to see.
    assert not {"against-Novelty", "by-k-Novelty"} & set(drawn)
    assert set(drawn) == set(re.findall(r'data-figure="([^"]*)"', text))
    line = drawn["by-k-NDCG"]["data"][0]
    assert line["y"] == found.results.iloc[0][["NDCG@1", "NDCG@5", "NDCG@10"]].tolist()
    names = [curve["name"] for curve in drawn["popularity"]["data"]]
    assert names == ["the log", *(html.escape(name) for name in found.results.index[:3])]


def views(text: str) -> list[str]:
    return re.findall(r'<div class="user".*?(?=<div class="user"|</section>)', text, re.S)


def test_lists_of_users_are_those_of_the_frames(
    found: Comparison, split, titles: pd.DataFrame, text: str
) -> None:
    train, test = split
    called = dict(zip(titles["item_idx"], titles["title"], strict=True))
    assert len(views(text)) == 20
    shown = [html.unescape(name) for name in re.findall(r"User <strong>(.*?)</strong>", text, re.S)]
    assert set(shown) <= set(test["user_idx"])
    assert shown == sorted(shown)
    for user, view in zip(shown, views(text), strict=True):
        cards = re.findall(r"<article.*?</article>", view, re.S)
        history, held, *lists = (
            [html.unescape(n) for n in re.findall(r'<span class="name">(.*?)</span>', card, re.S)]
            for card in cards
        )
        mine = train[train["user_idx"] == user].sort_values("timestamp", ascending=False)
        assert history == [called[item] for item in mine["item_idx"][:20]]
        truth = set(test.loc[test["user_idx"] == user, "item_idx"])
        plain = {re.sub("<span.*", "", name) for name in held}
        assert plain == {called[item] for item in truth}
        for model, entries, card in zip(found.results.index[:3], lists, cards[2:], strict=True):
            recs = found.recommendations[model]
            recs = recs[recs["user_idx"] == user]
            assert [re.sub("<span.*", "", name) for name in entries] == [
                called[item] for item in recs["item_idx"]
            ]
            hits = [item in truth for item in recs["item_idx"]]
            assert [' class="hit"' in one for one in re.findall(r"<li.*?</li>", card)] == hits
            assert f"{sum(hits)} hit" in card


def test_histories_are_dated(split, text: str) -> None:
    days = pd.to_datetime(split[0]["timestamp"], unit="s").dt.strftime("%Y-%m-%d")
    told = set(re.findall(r'<span class="when">(.*?)</span>', text))
    assert told
    assert told <= set(days)


def test_days_are_told_where_times_are_plain() -> None:
    day = 880_000_000.0
    for scale in (1, 1e3, 1e6, 1e9):
        assert dates(np.array([day, day + 86_400]) * scale) == ["1997-11-20", "1997-11-21"]
    assert dates(np.array([1.0, 2.0])) == ["", ""]
    assert dates(np.array([])) == []
    named = np.array(["1936-02-03T10:00", "NaT"], dtype="datetime64[s]")
    assert dates(named) == ["1936-02-03", ""]


@pytest.mark.parametrize(
    ("points", "sides"),
    [
        ([(0.1, 0.1), (0.9, 0.9)], ["right", "left"]),
        ([(0.5, 0.5)], ["right"]),
        ([(0.3, 0.5), (0.45, 0.55), (0, 0), (1, 1)], ["left", "right", "right", "left"]),
        ([(0.4, 0.5), (0.41, 0.5), (0, 0), (1, 1)], ["left", "right", "right", "left"]),
        ([(0.02, 0.5), (0.1, 0.6), (0, 0), (1, 1)], ["bottom", "right", "right", "left"]),
        ([(0.9, 0.5), (0.95, 0.51), (0, 0), (1, 1)], ["left", "top", "right", "left"]),
    ],
)
def test_labels_of_points_stand_where_there_is_room(points: list, sides: list[str]) -> None:
    across, up = np.array(points).T
    means = pd.DataFrame({"Coverage@1": across, "NDCG@1": up})
    drawn = figures.tradeoff(figures.Scores(means), "Coverage@1", "NDCG@1")
    found = [trace["textposition"].replace("middle ", "") for trace in drawn["data"]]
    assert [side.replace(" center", "") for side in found] == sides


def test_intervals_end_inside_the_axes(found: Comparison) -> None:
    layout = found.plot_tradeoff("Coverage").to_plotly_json()["layout"]
    low, high = layout["yaxis"]["range"]
    ends = found.results[[f"{found.primary}_low", f"{found.primary}_high"]]
    assert low < ends.min().min()
    assert ends.max().max() < high


# ---------------------------------------------------------------- what may be given


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_frame_makes_the_same_lists(kind: str, tmp_path: Path) -> None:
    log = random_log(rows=700).assign(timestamp=lambda one: np.arange(len(one)))
    log["timestamp"] = pd.Timestamp("2024-03-01") + pd.to_timedelta(log["timestamp"], unit="h")
    items = log["item_idx"].unique()
    names = pd.DataFrame({"item_idx": items, "name": [f"item {n}" for n in range(len(items))]})
    train, test = UserSplitter(item_test_size=2, drop_cold_items=True).split(log)
    made = []
    for each in ("pandas", kind):
        told = compare([PopRec()], as_kind(train, each), as_kind(test, each), [NDCG()], k=5)
        path = told.report(
            tmp_path / f"{each}.html", as_kind(names, each), title_column="name", users=5
        )
        made.append(views(Path(path).read_text("utf-8")))
    assert made[0] == made[1]
    assert "2024-03-" in made[0][0]
    assert "item 3" in "".join(made[0])


def test_titles_may_be_a_mapping_or_a_path_or_none(
    found: Comparison, titles: pd.DataFrame, tmp_path: Path, text: str
) -> None:
    titles.to_parquet(tmp_path / "titles.parquet")
    mapping = dict(zip(titles["item_idx"], titles["title"], strict=True))
    for given in (mapping, str(tmp_path / "titles.parquet")):
        path = found.report(tmp_path / "report.html", given)
        assert views(Path(path).read_text("utf-8")) == views(text)
    plain = Path(found.report(tmp_path / "plain.html")).read_text("utf-8")
    assert html.escape(titles["item_idx"][0]) in plain
    assert html.escape(titles["title"][0]) not in plain
    some = Path(found.report(tmp_path / "some.html", titles[:3])).read_text("utf-8")
    assert len(views(some)) == 20


def test_users_can_be_chosen(found: Comparison, tmp_path: Path) -> None:
    wanted = list(found.users.tolist()[2:4])
    page = Path(found.report(tmp_path / "a.html", users=wanted, history=2)).read_text("utf-8")
    assert len(views(page)) == 2
    own = re.findall(r"<article class=\"list card own\">.*?</article>", page, re.S)[0]
    assert own.count("<li") == 2
    assert "more</p>" in own
    page = Path(found.report(tmp_path / "b.html", users=0)).read_text("utf-8")
    assert views(page) == []
    with pytest.raises(LogError, match="none of them is in the test"):
        found.report(tmp_path / "c.html", users=["nobody"])


def test_bad_titles_are_told_and_write_nothing(
    found: Comparison, titles: pd.DataFrame, tmp_path: Path
) -> None:
    with pytest.raises(LogError, match="titles has no column"):
        found.report(tmp_path / "a.html", titles, title_column="name")
    with pytest.raises(LogError, match="titles has no item column"):
        found.report(tmp_path / "a.html", titles.rename(columns={"item_idx": "x"}))
    assert not list(tmp_path.iterdir())


def test_a_missing_plotly_names_the_extra(found: Comparison, tmp_path: Path, monkeypatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "plotly.offline", None)
    with pytest.raises(ImportError, match=r"daskrec\[viz\]"):
        found.report(tmp_path / "a.html")


def test_small_comparisons_have_smaller_pages(split, tmp_path: Path) -> None:
    class Broken(PopRec):
        def _fit(self, data: Any) -> None:
            raise MemoryError("no room")

    one = compare([PopRec()], *split, [NDCG()], k=5, bootstrap=0)
    page = own_part(Path(one.report(tmp_path / "one.html")).read_text("utf-8"))
    assert 'id="lengths"' not in page
    assert 'id="length"' not in page
    assert "is best by NDCG@5" in page
    none = compare([Broken()], *split, k=5)
    page = own_part(Path(none.report(tmp_path / "none.html")).read_text("utf-8"))
    assert "No model could be measured" in page
    assert "MemoryError in fit: no room" in page
    reach = compare([PopRec()], *split, [Coverage(split[0])], k=5)
    assert "Coverage@5" in Path(reach.report(tmp_path / "reach.html")).read_text("utf-8")


# ---------------------------------------------------------------- in a browser

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="session")
def browser(tmp_path_factory) -> Callable[..., tuple[str, list[str]]]:
    """Open a page and return its document as it is then, and what its console said."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip(f"no browser on PATH: looked for {', '.join(NAMES)}")

    def opened(path: Path, *options: str) -> tuple[str, list[str]]:
        profile = tmp_path_factory.mktemp("browser")
        command = [
            program, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--enable-logging=stderr", f"--user-data-dir={profile}",
            "--virtual-time-budget=10000", "--window-size=1280,2000", *options, "--dump-dom",
            path.as_uri(),
        ]  # fmt: skip
        run = subprocess.run(
            command, capture_output=True, text=True, timeout=240, check=True,
            env={**os.environ, "HOME": str(profile)},
        )  # fmt: skip
        said = [line for line in run.stderr.splitlines() if ":CONSOLE" in line]
        return run.stdout, said

    return opened


def traces(document: str) -> int:
    return len(re.findall(r'<g class="trace ', document))


def test_a_browser_fills_the_tables_and_draws_the_figures(
    browser, path: Path, text: str, found: Comparison
) -> None:
    document, said = browser(path)
    assert said == []
    root = re.search(r"<html[^>]*>", document)
    assert root is not None
    assert 'data-ready="yes"' in root[0]
    assert "data-attacked" not in root[0]
    assert "<img" not in own_part(document)

    body = re.search(r"<tbody>(.*?)</tbody>", document, re.S)
    assert body is not None
    assert body[1].count("<tr") == 4
    assert body[1].count("NaN") == 0

    data = re.search(r'<script type="application/json" id="figures">(.*?)</script>', text, re.S)
    assert data is not None
    drawn = json.loads(data[1])
    assert document.count('data-figure="') == len(drawn)
    assert document.count('class="user-select-none') >= len(drawn) or "main-svg" in document
    boxes = re.split(r'data-figure="', document)[1:]
    for box in boxes:
        name = box[: box.index('"')]
        assert "main-svg" in box, name
        assert traces(box) == len(drawn[name]["data"]), name
        assert re.search(r'<path [^>]*d="M', box), name
    assert "Figures need JavaScript" not in own_part(document)
    assert rgb(LIGHT[0]) in document
    assert len(views(document)) == 20
    assert len(re.findall(r'<div class="user">', document)) == 1


def rgb(hue: str) -> str:
    return f"rgb({int(hue[1:3], 16)}, {int(hue[3:5], 16)}, {int(hue[5:7], 16)})"


def test_figures_take_the_colours_of_a_dark_page(browser, path: Path) -> None:
    document, said = browser(path, "--blink-settings=preferredColorScheme=0")
    assert said == []
    assert rgb(DARK[0]) in document
    assert rgb(LIGHT[0]) not in document


DRIVER = """
const told = document.createElement("pre");
told.id = "told";
const names = () => [...document.querySelectorAll("tbody th")].map((one) => one.dataset.value);
const head = (text) => [...document.querySelectorAll("thead th")].find(
  (one) => !one.hidden && one.textContent.startsWith(text));
const lines = [];
const press = (text) => {
  head(text).querySelector("button").click();
  lines.push([text, head(text).getAttribute("aria-sort"), names()]);
};
press("Coverage"); press("Coverage"); press("Model"); press("fit"); press("NDCG");
const length = document.getElementById("length");
length.value = "1";
length.dispatchEvent(new Event("change"));
lines.push(["k", head("NDCG").dataset.k, names()]);
const user = document.getElementById("user");
const shown = () => [...document.querySelectorAll(".user")].filter((one) => !one.hidden).map(
  (one) => one.querySelector("strong").textContent);
user.selectedIndex = 19;
user.dispatchEvent(new Event("change"));
lines.push(["last", "", shown()]);
document.getElementById("after").click();
lines.push(["first", "", shown()]);
document.getElementById("before").click();
lines.push(["last again", "", shown()]);
told.textContent = JSON.stringify(lines);
document.body.append(told);
"""


def test_the_page_sorts_and_chooses(
    browser, found: Comparison, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = pages._resource
    monkeypatch.setattr(
        pages, "_resource", lambda name: read(name) + (DRIVER if name == "report.js" else "")
    )
    document, said = browser(Path(found.report(tmp_path / "driven.html")))
    assert said == []
    told = re.search(r'<pre id="told">(.*?)</pre>', document, re.S)
    assert told is not None
    steps = {tuple(line[:2]): line[2] for line in json.loads(html.unescape(told[1]))}
    whole = found.results
    done, failed = whole[whole["error"] == ""], whole.index[-1]

    def ordered(column: str, ascending: bool) -> list[str]:
        return [*done[column].sort_values(ascending=ascending, kind="stable").index, failed]

    assert steps["Coverage", "descending"] == ordered("Coverage@10", False)
    assert steps["Coverage", "ascending"] == ordered("Coverage@10", True)
    assert steps["Model", "ascending"][-1] == failed
    assert steps["fit", "ascending"] == ordered("fit_seconds", True)
    assert steps["NDCG", "descending"] == ordered("NDCG@10", False)
    # The column that is sorted by goes along with the length of lists.
    assert steps["k", "1"] == ordered("NDCG@1", False)
    (last,), (first,) = steps["last", ""], steps["first", ""]
    assert steps["last again", ""] == [last]
    assert first < last
