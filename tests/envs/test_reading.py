"""Reading recorded demand: as it was meant, or refused."""

import gzip

import gymnasium as gym
import numpy as np
import pandas as pd
import pytest

import jumpgym
from jumpgym.traces import read

DAYS = pd.date_range("2024-01-01", periods=4)


def file(folder, text, name="demand.csv", encoding="utf-8"):
    (folder / name).write_bytes(text.encode(encoding))
    return folder / name


def texts(separator, decimal="."):
    rows = [
        f"{day:%Y-%m-%d}{separator}{value}{decimal}5" for day, value in zip(DAYS, (0, 3, 0, 7), strict=True)
    ]
    return f"date{separator}sales\n" + "\n".join(rows) + "\n"


@pytest.mark.parametrize(
    ("text", "options", "values", "dates"),
    [
        (texts(","), {}, [0.5, 3.5, 0.5, 7.5], DAYS),
        (texts(";"), {}, [0.5, 3.5, 0.5, 7.5], DAYS),
        (texts("\t"), {}, [0.5, 3.5, 0.5, 7.5], DAYS),
        (texts("|"), {}, [0.5, 3.5, 0.5, 7.5], DAYS),
        (texts(";", ","), {"decimal": ","}, [0.5, 3.5, 0.5, 7.5], DAYS),
        ("sales\n0,5\n1,5\n", {"decimal": ","}, [0.5, 1.5], None),
        ("sales\n5\n7\n\n\n", {}, [5, 7], None),
        ("sales\r\n5\r\n7\r\n", {}, [5, 7], None),
        ("sales\n5\n\n7\n", {"fill": 0}, [5, 0, 7], None),
        ("0\n3\n0\n7\n", {}, [0, 3, 0, 7], None),
        ("2024-01-01,1000\n2024-01-02,1\n2024-01-03,2\n2024-01-04,3\n", {}, [1000, 1, 2, 3], DAYS),
        (",sales\n0,5\n1,6\n", {}, [5, 6], None),
        (
            "date,sales\n04.01.2024,4\n05.01.2024,6\n",
            {},
            [4, 6],
            DAYS[3:].append(DAYS[3:] + pd.Timedelta("1D")),
        ),
        (
            "date;sales\n2024-01-01;1.234,5\n2024-01-02;7\n",
            {"decimal": ",", "thousands": "."},
            [1234.5, 7],
            DAYS[:2],
        ),
        ('date,sales\n2024-01-01,"1,234.5"\n2024-01-02,7\n', {"thousands": ","}, [1234.5, 7], DAYS[:2]),
        ("date;sales\n2024-01-01;1.250\n2024-01-02;2.500\n", {"decimal": "."}, [1.25, 2.5], DAYS[:2]),
        ("date;sales\n2024-01-01;1.250\n2024-01-02;2.500\n", {"thousands": "."}, [1250, 2500], DAYS[:2]),
        ("date,sales\n2024-01-02,7\n2024-01-01,5\n", {"sort": True}, [5, 7], DAYS[:2]),
        ("date,sales\n2024-01-01,7\n2024-01-03,5\n", {"fill": 0}, [7, 0, 5], DAYS[:3]),
        ("date,sales,price\n2024-01-01,5,9.99\n2024-01-02,4,9.99\n", {"value": "sales"}, [5, 4], DAYS[:2]),
        ("week,sales\n1,50\n2,60\n", {"date": "week", "value": "sales"}, [50, 60], None),
        (
            "week,sales\n2024-W01,50\n2024-W02,60\n",
            {},
            [50, 60],
            pd.DatetimeIndex(["2024-01-01", "2024-01-08"]),
        ),
        ("month,sales\n1991 Jul,5\n1991 Aug,6\n", {}, [5, 6], pd.DatetimeIndex(["1991-07-01", "1991-08-01"])),
        ("quarter,sales\n2024Q1,5\n2024Q2,6\n", {}, [5, 6], pd.DatetimeIndex(["2024-01-01", "2024-04-01"])),
        ("date,sales\n20240101,5\n20240102,6\n", {}, [5, 6], DAYS[:2]),
        ("date,sales\n2024-01-01,5\n2024-01-02,6\nTotal,11\n", {}, [5, 6], DAYS[:2]),
        ("id,2024-01-01,2024-01-02\nA,5,6\n", {}, [5, 6], DAYS[:2]),
    ],
)
def test_one_item_is_read_as_it_was_meant(text, options, values, dates, tmp_path):
    records = read(file(tmp_path, text), **options)
    np.testing.assert_array_equal(records.values[:, 0], values)
    assert (records.dates is None) == (dates is None)
    if dates is not None:
        assert records.dates.equals(dates)
    assert records.source == str(tmp_path / "demand.csv")


PAIR = np.array([[5.0, 300.0], [4.0, 400.0], [7.0, 500.0]])
WIDE = "date,A,B\n2024-01-01,5,300\n2024-01-02,4,400\n2024-01-03,7,500\n"
TRANSPOSED = "item,2024-01-01,2024-01-02,2024-01-03\nA,5,4,7\nB,300,400,500\n"
LONG = "day,product,sold\n" + "".join(
    f"2024-01-0{t + 1},{item},{PAIR[t, k]:g}\n" for k, item in enumerate("AB") for t in range(3)
)
FRAME = pd.DataFrame(PAIR, index=DAYS[:3], columns=["A", "B"])
FORMS = {
    "wide": (WIDE, {}),
    "transposed": (TRANSPOSED, {}),
    "long": (LONG, {}),
    "long by name": (LONG, {"layout": "long", "date": "day", "item": "product", "value": "sold"}),
    "totals": (
        "date,A,B,Total\n2024-01-01,5,300,305\n2024-01-02,4,400,404\n2024-01-03,7,500,507\nTotal,16,1200,1216\n",
        {},
    ),
    "totals of columns": (TRANSPOSED + "Total,305,404,507\n", {}),
    "chosen": (
        "shop,date,A,B,price\n" + "".join(f"X,2024-01-0{t + 1},{a},{b},9\n" for t, (a, b) in enumerate(PAIR)),
        {"value": ["A", "B"]},
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_several_items_are_read_from_every_layout(form, tmp_path):
    text, options = FORMS[form]
    records = read(file(tmp_path, text), **options)
    np.testing.assert_array_equal(records.values, PAIR)
    assert (records.items, records.freq) == (("A", "B"), "D")
    assert records.dates.equals(DAYS[:3])


@pytest.mark.parametrize(
    "source",
    [
        FRAME,
        FRAME.reset_index(names="date"),
        FRAME.reset_index(names="date").astype({"date": str}),
        FRAME.T,
        FRAME.stack(),
        FRAME.T.stack(),
        FRAME.to_period("D"),
        FRAME.astype(object),
        FRAME.astype("Float64"),
        FRAME.tz_localize("Europe/Berlin"),
        FRAME.reset_index(names="date").melt("date", var_name="item"),
    ],
)
def test_pandas_objects_are_read_in_every_layout(source):
    records = read(source)
    np.testing.assert_array_equal(records.values, PAIR)
    assert records.items == ("A", "B")
    assert records.dates.equals(DAYS[:3])


def test_arrays_have_items_without_names():
    assert read(PAIR).items == ("item 1", "item 2")
    np.testing.assert_array_equal(read([5, 4, 7]).values, PAIR[:, :1])


@pytest.mark.parametrize(
    "name", ["d.csv", "d.csv.gz", "d.csv.bz2", "d.csv.xz", "d.csv.zip", "d.parquet", "d.xlsx"]
)
def test_files_of_all_kinds(name, tmp_path):
    path = tmp_path / name
    frame = FRAME.rename_axis("date")
    write = {"parquet": frame.to_parquet, "xlsx": frame.to_excel}.get(path.suffix[1:], frame.to_csv)
    write(path)
    records = read(path)
    np.testing.assert_array_equal(records.values, PAIR)
    assert (records.items, records.freq, records.source) == (("A", "B"), "D", str(path))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings(encoding, tmp_path):
    path = file(tmp_path, WIDE.replace("A", "Äpfel"), encoding=encoding)
    assert read(path).items == ("Äpfel", "B")
    old = file(tmp_path, WIDE.replace("A", "Äpfel"), "old.csv", "cp1252")
    with pytest.raises(ValueError, match=r"line 1 is not text in UTF-8; give encoding="):
        read(old)
    assert read(old, encoding="cp1252").items == ("Äpfel", "B")


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (
            texts(";", ","),
            {},
            r"row 0, column 'sales' is not a number: '0,5' \(the decimal sign is '\.', the "
            r"separator ';'\); give decimal=',' or thousands=',' \(line 2 of the file\)",
        ),
        ("sales\n0,5\n1,5\n", {}, r"'0,5' .*decimal sign is '\.'.*line 2 of the file"),
        (
            texts(",", ","),
            {},
            "line 2 has 3 fields and line 1 has 2, separated by ','; if the comma is the decimal",
        ),
        ("2024-01-01;0,5\n2024-01-02;1,5\n", {}, "may be separated by ',' or ';'; give sep="),
        ("0,5\n1,5\n2,5\n", {}, "does not name its columns"),
        ("0,1\n3,5\n", {}, "line 1 may name the columns or be data; give header="),
        (
            "date;sales\n2024-01-01;1.250\n2024-01-02;2.500\n",
            {},
            r"may be 1.25 or 1250: '1.250'; give decimal='.' or",
        ),
        (
            "date,sales\n2024-01-01,5\n2024-01-02,n.a.\n2024-01-03,5\n",
            {},
            r"row 1, column 'sales' is not a number: 'n.a.' \(line 3",
        ),
        (
            "date,sales\n2024-01-01,5\n2024-01-02,-4\n",
            {},
            r"row 1, column 'sales' is negative: -4.0 \(line 3",
        ),
        ("date,sales\n2024-01-01,5\n2024-01-02,\n", {}, r"row 1, column 'sales' is missing.*\(line 3"),
        ("date,sales\n2024-01-01,5\n2024-01-02,inf\n", {}, "is not a number: 'inf'"),
        ("date,sales\n2024-01-01,5\n2024-01-02,1_000\n", {}, "is not a number: '1_000'"),
        ("date,sales\n2024-01-01,5\n,6\n", {}, r"row 1, column 'date' is missing \(line 3"),
        (
            "date,sales\n2024-01-01,5\n2024-02-30,6\n2024-01-03,6\n",
            {},
            r"row 1, column 'date' is no date.*'2024-02-30'",
        ),
        (
            "date,sales\n2024-01-01,5\n2024-01-02,6\n2024-01-05,6\n",
            {},
            "2024-01-03 is missing, and 1 more at freq='D'; fill=0",
        ),
        (
            "date,sales\n2024-01-02,5\n2024-01-01,6\n",
            {},
            r"has 2024-01-01 after 2024-01-02; sort=True sorts \(line 3",
        ),
        ("date,sales\n2024-01-01,5\n2024-01-01,6\n", {}, r"has 2024-01-01 a second time \(line 3"),
        (
            "date,sales\n01/02/2024,5\n01/03/2024,6\n",
            {},
            r"could be day/month or month/day; give date_format=",
        ),
        (
            "date,sales\n2024-01-01,5\n2024-01-02,6\nTotal,12\n",
            {},
            "'Total', is called a total, and is not the sum",
        ),
        (
            "date,A,B,Total\n2024-01-01,5,6,12\n2024-01-02,5,6,11\n",
            {},
            "column 'Total' is called a total, and is not",
        ),
        (
            "Store,Product,2021-04-12,2021-04-19\n17,126,0.0,3.0\n",
            {},
            "columns 'Store', 'Product' may name the items; give item=",
        ),
        ("week,sales\n1,50\n2,60\n3,70\n", {}, "columns 'week', 'sales': which hold demand"),
        (
            "date,sales,price\n2024-01-01,5,9.99\n2024-01-02,4,9.99\n",
            {},
            "columns 'sales', 'price': which hold demand",
        ),
        ("date,price\n2024-01-01,5\n2024-01-02,4\n", {}, "column 'price': which hold demand"),
        (
            "item,sales\nA,5\nA,4\nB,300\nB,400\n",
            {},
            "column 'item' holds text such as 'A'.*layout='long' and item=",
        ),
        (
            "created,shipped,sales\n2024-01-01,2024-01-02,5\n2024-01-02,2024-01-03,4\n",
            {},
            "columns 'created', 'shipped' hold dates; give date=",
        ),
        ("year,jan,feb\n2023,5,6\n2024,7,8\n", {}, "column 'year' holds times, and so do the names"),
        ("item,2024-01-01,2024-01-03,2024-01-04\nA,5,6,7\n", {}, "2024-01-02 is missing"),
        ("item,2024-01-02,2024-01-01\nA,5,6\n", {}, "column '2024-01-01' has 2024-01-01 after"),
        ("item,2024-01-01,2024-01-02\nA,5,6\nA,7,8\n", {}, "names item 'A' a second time"),
        (LONG.replace("2024-01-02,B", "2024-01-03,B"), {}, r"has 2024-01-03 a second time for item 'B'"),
        (
            LONG.replace("2024-01-02,B,400\n", ""),
            {},
            r"2024-01-02 of item 'B' is missing at freq='D'; fill=0",
        ),
        (
            LONG,
            {"value": "sale"},
            "value='sale': no column has this name; the columns are 'day', 'product', 'sold'",
        ),
        (
            "id,name,item,sales\n1,A,x,5\n2,B,y,6\n",
            {"layout": "long"},
            "give item=, the column of it; possible are 'name', 'item'",
        ),
        (LONG.replace("sold", "price"), {}, "column 'price' may not hold demand; give value="),
        (LONG.replace("product", "promo"), {}, "give item=, the column of it; possible are none of"),
        ("sales,sales\n5,6\n7,8\n", {}, "several columns have the name 'sales'"),
        ("\x00\x01\x02", {}, "it is no text file"),
        ("sales\n5\n", {"sep": ";;"}, "sep=';;' must be one character"),
    ],
)
def test_what_leaves_doubt_is_refused(text, options, message, tmp_path):
    with pytest.raises(ValueError, match=message) as error:
        read(file(tmp_path, text), **options)
    assert len(str(error.value)) <= 300
    assert "demand.csv" in str(error.value)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: read(FRAME.astype(bool)), ValueError, "column 'A' holds text such as 'True'"),
        (
            lambda: read(FRAME.where(FRAME < 500)),
            ValueError,
            r"row 2, column 'B' is missing.*index 2024-01-03",
        ),
        (
            lambda: read(FRAME.reset_index(drop=True).loc[[0, 2]]),
            ValueError,
            "rows are not numbered one after",
        ),
        (lambda: read(FRAME["A"].set_axis(["x", "y", "z"])), ValueError, "holds text such as 'x'"),
        (lambda: read(20), TypeError, "records must be a path"),
        (lambda: read(PAIR, date="day"), ValueError, "date='day': no column has this name"),
        (lambda: read(PAIR, freq="D"), ValueError, "freq= and sort= need a column of dates"),
        (lambda: read(np.zeros((2, 3, 4))), ValueError, r"shape \(2, 3, 4\) must have shape \(periods,\)"),
        (lambda: read([1.0] * 300_000 + ["x"]), ValueError, "entry 300000 is 'x'"),
        (lambda: read([5.0, -1.0]), ValueError, "row 1, column '0' is negative: -1.0"),
        (lambda: read(FRAME, layout="tall"), ValueError, "layout='tall' must be one of 'wide', 'long'"),
        (lambda: read(FRAME, fill=-1), ValueError, "fill=-1.0 must be"),
        (lambda: read(FRAME, freq="never"), ValueError, "freq='never' is no frequency"),
        (lambda: read(FRAME, freq="W-TUE"), ValueError, "2024-01-01 is no date of freq='W-TUE'"),
        (lambda: read(FRAME, decimal=":"), ValueError, "decimal=':' must be one of"),
        (lambda: read(FRAME, decimal=",", thousands=","), ValueError, "must differ from the decimal sign"),
        (lambda: read("/nowhere.csv"), ValueError, "records='/nowhere.csv': cannot be read as a CSV file"),
    ],
)
def test_refusals_without_a_file(call, error, message):
    with pytest.raises(error, match=message) as refused:
        call()
    assert len(str(refused.value)) <= 300


@pytest.mark.parametrize("freq", ["D", "B", "W-MON", "MS", "ME", "QS-JAN", "YS-JAN", "h", "14D", "30min"])
def test_frequencies_are_inferred(freq):
    dates = pd.date_range("2024-01-01", periods=30, freq=freq)
    assert read(pd.Series(np.arange(30.0), dates)).dates.equals(dates)
    if freq not in ("B", "14D"):
        gap = pd.Series(np.arange(30.0), dates).drop(dates[7])
        with pytest.raises(ValueError, match=f"{dates[7]:%Y-%m-%d}.* is missing at freq"):
            read(gap)
        np.testing.assert_array_equal(read(gap, fill=0).values[6:9, 0], [6, 0, 8])


def test_weekdays_with_a_gap_leave_doubt():
    weekdays = pd.Series(1.0, pd.bdate_range("2024-01-01", periods=40)).drop(pd.Timestamp("2024-02-06"))
    with pytest.raises(ValueError, match=r"give freq='B' \(weekdays\) or freq='D'"):
        read(weekdays, fill=0)
    assert len(read(weekdays, freq="B", fill=0)) == 40


def test_combined_names_and_items_in_the_environment(tmp_path):
    path = file(tmp_path, "Store,Product,2021-04-12,2021-04-19\n17,126,0.0,3.0\n17,127,1.0,4.0\n")
    records = read(path, item=["Store", "Product"])
    assert (records.items, records.freq) == (("17/126", "17/127"), "W-MON")
    np.testing.assert_array_equal(records.values, [[0, 1], [3, 4]])


@pytest.mark.parametrize("env_id", ["jumpgym/JointReplenishment-v0", "jumpgym/CapacitatedLotSizing-v0"])
def test_names_of_items_stay(env_id, tmp_path):
    problem = gym.make(env_id, demand=str(file(tmp_path, WIDE)), horizon=2, lead_time=1).unwrapped.problem
    assert problem.items == 2
    assert problem.observation_names == ("stock A", "stock B", "A arrives in 0", "B arrives in 0", "period")
    assert problem.quantity_names == ("order A", "order B")
    assert problem.regime_names[-2:] == (("", "A"), ("", "B"))
    assert problem.item_names == ("A", "B")
    with pytest.raises(ValueError, match="of item 'B' exceeds"):
        problem.check_noise([[1.0, 1e4], [1.0, 1.0]])


def test_the_environment_knows_the_dates_of_its_windows():
    records = read(FRAME)
    demand = jumpgym.JointReplenishmentEnv(demand=records, horizon=2).problem.demand
    uniforms = np.random.default_rng(0).random((50, 2, 2))
    first = demand.first_period(uniforms)
    np.testing.assert_array_equal(demand.first_periods, [0, 1])
    np.testing.assert_array_equal(demand.sample(uniforms)[:, 0], PAIR[first])
    assert set(demand.records.dates[first]) == set(DAYS[:2])
    single = jumpgym.SetupCostEnv(demand=records.select("A"), horizon=2).problem.demand
    np.testing.assert_array_equal(
        single.sample(uniforms[..., 0])[:, 0], PAIR[single.first_period(uniforms[..., 0]), 0]
    )


@pytest.mark.parametrize(
    ("demand", "message"),
    [
        (read(FRAME), r"records of 2 items, and there is one; choose it by records.select\('A'\)"),
        (FRAME.drop(DAYS[1]), "2024-01-02 is missing"),
        (FRAME[["A"]][::-1], "sort=True sorts.*; these are options of jumpgym.traces.read"),
        (pd.DataFrame({"week": [1, 2], "sales": [5, 6]}), r"give value=|Give value="),
    ],
)
def test_an_environment_takes_only_what_leaves_no_doubt(demand, message):
    with pytest.raises(ValueError, match=message):
        jumpgym.SetupCostEnv(demand=demand, horizon=2)
    with pytest.raises(ValueError, match="3 items in the records, 'a', 'b', 'c', must be as many"):
        jumpgym.demand.as_item_demand(read(pd.DataFrame(np.ones((3, 3)), columns=list("abc"))), 2, 2)


def test_excel_sheets_and_totals(tmp_path):
    path = tmp_path / "demand.xlsx"
    table = FRAME.assign(Total=FRAME.sum(axis=1))
    with pd.ExcelWriter(path) as book:
        pd.concat([table, table.sum().to_frame("Total").T]).to_excel(
            book, sheet_name="new", index_label="date"
        )
        FRAME.T.to_excel(book, sheet_name="old", index_label="item")
    for sheet in ("new", "old"):
        np.testing.assert_array_equal(read(path, sheet=sheet).values, PAIR)
        assert read(path, sheet=sheet).dates.equals(DAYS[:3])
    with pytest.raises(ValueError, match="it has several sheets; give sheet=, one of 'new', 'old'"):
        read(path)


def test_levels_of_an_index_are_columns(tmp_path):
    table = pd.DataFrame({"item": list("AAABBB"), "t": [0, 1, 2] * 2, "sales": PAIR.T.ravel()})
    indexed = table.set_index(["item", "t"])
    for source in (indexed, indexed.sales, table.set_index(["t", "item"])):
        records = read(source)
        np.testing.assert_array_equal(records.values, PAIR)
        assert (records.items, records.dates) == (("A", "B"), None)
    path = file(tmp_path, indexed.to_csv())
    with pytest.raises(ValueError, match="layout='long' and item="):
        read(path)
    np.testing.assert_array_equal(read(path, item="item", date="t", value="sales").values, PAIR)
    np.testing.assert_array_equal(read(table[["item", "sales"]], item="item").values, PAIR)
    with pytest.raises(ValueError, match="item 'B' has 2 rows and 'A' has 3; give date="):
        read(table[["item", "sales"]][:5], item="item")


def test_what_pandas_writes_is_read_again(tmp_path):
    for source in (
        FRAME,
        FRAME["A"],
        FRAME["A"].rename(None),
        pd.DataFrame(PAIR),
        FRAME.reset_index(drop=True),
    ):
        records = read(file(tmp_path, source.to_csv()))
        np.testing.assert_array_equal(records.values, PAIR[:, : records.values.shape[1]])
        assert records.values.shape[1] == (2 if source.ndim == 2 else 1)


def test_a_damaged_archive_is_refused(tmp_path):
    (tmp_path / "d.csv.gz").write_bytes(gzip.compress(WIDE.encode())[:-9])
    with pytest.raises(ValueError, match=r"d\.csv\.gz': cannot be read as a CSV file: it is damaged"):
        read(tmp_path / "d.csv.gz")
