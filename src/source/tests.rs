//! Tests of reading as a whole: what comes in from files, good and bad.

use std::{fmt::Write as _, io::Write as _};

use arrow::{
    array::{ArrayRef, Int64Array, ListArray, RecordBatch},
    datatypes::Int64Type,
};
use proptest::prelude::*;

use super::*;

struct Dir(tempfile::TempDir);

impl Dir {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

/// Rows as line and cells, faults as line, column and kind.
type Seen = (Vec<(u64, Vec<Option<String>>)>, Vec<(u64, Option<String>, RowFaultKind)>);

fn gather(into: &mut Seen, batch: &RawBatch, names: &[&str]) {
    for row in 0..batch.rows() {
        let cells = names.iter().map(|name| {
            let column = batch.column(name)?;
            arrow::array::Array::is_valid(column, row).then(|| column.value(row).to_owned())
        });
        into.0.push((batch.lines()[row], cells.collect()));
    }
    into.1.extend(batch.faults().iter().map(|f| (f.line, f.column.clone(), f.kind)));
}

fn see(file: &Path, format: Format, options: &Options, names: &[&str]) -> Result<Seen, Error> {
    let mut seen = Seen::default();
    read_all(file, format, options, &mut |batch| {
        gather(&mut seen, &batch, names);
        ControlFlow::Continue(())
    })?;
    Ok(seen)
}

fn csv(bytes: impl AsRef<[u8]>, names: &[&str]) -> Result<Seen, Error> {
    let dir = Dir::new();
    see(&dir.file("t.csv", bytes), Format::Csv, &Options::default(), names)
}

fn some(cells: &[&str]) -> Vec<Option<String>> {
    cells.iter().map(|cell| (!cell.is_empty()).then(|| (*cell).to_owned())).collect()
}

#[test]
fn quoted_line_ends_carriage_returns_and_a_byte_order_mark_are_understood() {
    let text = "\u{feff}a,b\r\n1,\"x\r\ny \"\"z\"\"\"\r\n\r\n3,\r\n4,last";
    let (rows, faults) = csv(text, &["a", "b"]).unwrap();
    let wanted =
        [(2, some(&["1", "x\r\ny \"z\""])), (5, some(&["3", ""])), (6, some(&["4", "last"]))];
    assert_eq!(rows, wanted, "a steward would look at the wrong line");
    assert!(faults.is_empty());
}

#[test]
fn a_bad_row_is_told_and_its_neighbours_go_on() {
    let text = b"a,b\n1,2\n1,2,3\n1\n\"x\"y,2\n\xff,2\n5,caf\xc3\xa9\n6,\"open\n";
    let (rows, faults) = csv(text, &["a", "b"]).unwrap();
    assert_eq!(rows, [(2, some(&["1", "2"])), (7, some(&["5", "café"]))]);
    let a = || Some("a".to_owned());
    assert_eq!(
        faults,
        [
            (3, None, RowFaultKind::Columns),
            (4, None, RowFaultKind::Columns),
            (5, a(), RowFaultKind::Syntax),
            (6, a(), RowFaultKind::Encoding),
            (8, None, RowFaultKind::Syntax),
        ]
    );
}

#[test]
fn a_line_of_a_hundred_megabytes_is_a_fault_and_never_held() {
    let dir = Dir::new();
    let path = dir.file("t.csv", "a,b\n1,2\n");
    let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
    for _ in 0..100 {
        file.write_all(&vec![b'x'; 1 << 20]).unwrap();
    }
    file.write_all(b"\n3,4\n").unwrap();
    let (rows, faults) = see(&path, Format::Csv, &Options::default(), &["a", "b"]).unwrap();
    assert_eq!(rows, [(2, some(&["1", "2"])), (4, some(&["3", "4"]))]);
    assert_eq!(faults, [(3, None, RowFaultKind::Length)]);

    let text = format!("{{\"a\":\"{}\"}}\n{{\"a\":1}}\n", "x".repeat(3 << 20));
    let path = dir.file("t.ndjson", text);
    let (rows, faults) = see(&path, Format::Ndjson, &Options::default(), &["a"]).unwrap();
    assert_eq!(rows, [(2, some(&["1"]))]);
    assert_eq!(faults, [(1, None, RowFaultKind::Length)]);
}

#[test]
fn compressed_files_are_known_by_their_bytes_and_a_cut_one_is_an_error() {
    let dir = Dir::new();
    let mut text = String::from("a,b\n");
    for n in 0..50_000 {
        writeln!(text, "{n},{}", n * 7919 % 10_007).unwrap();
    }
    let zstd = zstd::encode_all(text.as_bytes(), 3).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    for (name, bytes, word) in [("zstd.csv", zstd, "zstd"), ("gzip.csv", gzip, "gzip")] {
        let whole = dir.file(name, &bytes);
        let survey = survey(&whole, Format::Csv, 1000).unwrap();
        assert_eq!(survey.parts.len(), 1, "a compressed file cannot be cut");
        let (rows, _) = see(&whole, Format::Csv, &Options::default(), &["a"]).unwrap();
        assert_eq!(rows.len(), 50_000);
        let cut = dir.file("cut.csv", &bytes[..bytes.len() * 2 / 3]);
        let error = see(&cut, Format::Csv, &Options::default(), &["a"]).unwrap_err();
        let Error::Truncated { file, compression, bytes } = &error else {
            panic!("a cut-off file passed as {error}");
        };
        assert_eq!((file, *compression), (&cut, word));
        assert!(*bytes > 0, "the message says how far it got");
    }
}

#[test]
fn files_that_are_not_what_they_should_be_are_refused_by_name() {
    let dir = Dir::new();
    let empty = dir.file("empty.csv", "");
    let blank = dir.file("blank.csv", "\n\r\n");
    let utf16 = dir.file("utf16.csv", b"\xff\xfea\0,\0");
    let nothing = dir.file("nothing.csv.zst", zstd::encode_all(&b""[..], 3).unwrap());
    let options = Options::default();
    for path in [&empty, &blank, &nothing] {
        let error = see(path, Format::Csv, &options, &[]).unwrap_err();
        assert!(matches!(error, Error::Empty { .. }), "{error}");
    }
    assert!(matches!(survey(&empty, Format::Csv, 9).unwrap_err(), Error::Empty { .. }));
    let error = see(&utf16, Format::Csv, &options, &[]).unwrap_err();
    assert!(error.to_string().contains("UTF-16"), "{error}");
    let error = see(&blank, Format::Parquet, &options, &[]).unwrap_err();
    assert!(matches!(error, Error::Format { .. }), "{error}");
}

#[test]
fn a_header_that_repeats_itself_is_refused_without_saying_its_cells() {
    let error = csv("CANARY,b,CANARY\n1,2,3\n", &[]).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("columns 1 and 3"), "{text}");
    assert!(!text.contains("CANARY"), "a file without a header would show a person");
    assert!(csv("a,,c\n", &[]).unwrap_err().to_string().contains("column 2"));
}

#[test]
fn another_separator_is_taken_where_it_is_asked_for() {
    let dir = Dir::new();
    let text = "\u{feff}a;b\r\n1,5;\"x;y\"\r\n\r\n2;\r\n3;4;5\r\n";
    let path = dir.file("t.csv", text);
    let options = Options { separator: b';', ..Options::default() };
    let (rows, faults) = see(&path, Format::Csv, &options, &["a", "b"]).unwrap();
    let (commas, _) = csv("a,b\n\"1,5\",x;y\n2,\n", &["a", "b"]).unwrap();
    let cells = |rows: Vec<(u64, Vec<Option<String>>)>| -> Vec<_> {
        rows.into_iter().map(|(_, cells)| cells).collect()
    };
    assert_eq!(cells(rows), cells(commas), "the same cells came out otherwise");
    assert_eq!(faults.len(), 1, "a row with a cell too many was taken");
}

#[test]
fn only_wanted_columns_are_read() {
    let dir = Dir::new();
    let path = dir.file("t.csv", "a,b,c\n1,2,3\n");
    let options = Options { columns: Some(vec!["c".to_owned()]), ..Options::default() };
    read_all(&path, Format::Csv, &options, &mut |batch| {
        assert_eq!(batch.names().len(), 1);
        assert_eq!(batch.column("c").unwrap().value(0), "3");
        ControlFlow::Continue(())
    })
    .unwrap();
}

#[test]
fn ndjson_columns_are_the_names_that_occur() {
    let dir = Dir::new();
    let text = "{\"a\":1}\n{\"b\":\"x\",\"a\":null}\n{\"a\":{}}\n\n{\"b\":1,\"b\":2}\n{\"c\":true}";
    let path = dir.file("t.ndjson", text);
    let (rows, faults) = see(&path, Format::Ndjson, &Options::default(), &["a", "b", "c"]).unwrap();
    let wanted =
        [(1, some(&["1", "", ""])), (2, some(&["", "x", ""])), (6, some(&["", "", "true"]))];
    assert_eq!(rows, wanted);
    let lines: Vec<_> = faults.iter().map(|(line, _, kind)| (*line, *kind)).collect();
    assert_eq!(lines, [(3, RowFaultKind::Syntax), (5, RowFaultKind::Syntax)]);
}

#[test]
fn parquet_is_read_as_text_and_nested_columns_are_refused() {
    let dir = Dir::new();
    let write = |name: &str, batch: &RecordBatch| {
        let path = dir.0.path().join(name);
        let file = std::fs::File::create(&path).unwrap();
        let mut writer =
            ::parquet::arrow::ArrowWriter::try_new(file, batch.schema(), None).unwrap();
        writer.write(batch).unwrap();
        writer.close().unwrap();
        path
    };
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(7), None]));
    let days: ArrayRef = Arc::new(arrow::array::Date32Array::from(vec![Some(19_782), Some(0)]));
    let flat = RecordBatch::try_from_iter([("n", numbers), ("d", days)]).unwrap();
    let path = write("flat.parquet", &flat);
    let (rows, _) = see(&path, Format::Parquet, &Options::default(), &["n", "d"]).unwrap();
    assert_eq!(rows, [(1, some(&["7", "2024-02-29"])), (2, some(&["", "1970-01-01"]))]);

    let list = ListArray::from_iter_primitive::<Int64Type, _, _>([Some([Some(1)])]);
    let nested = RecordBatch::try_from_iter([("l", Arc::new(list) as ArrayRef)]).unwrap();
    let path = write("nested.parquet", &nested);
    let error = see(&path, Format::Parquet, &Options::default(), &[]).unwrap_err();
    assert!(matches!(error, Error::Nested { .. }), "{error}");
}

#[test]
fn a_file_that_changed_since_its_survey_is_not_read() {
    let dir = Dir::new();
    let path = dir.file("t.csv", "a\n1\n");
    let surveyed = survey(&path, Format::Csv, 100).unwrap();
    dir.file("t.csv", "a\n1\n2\n");
    let name = Arc::from("t.csv");
    let error =
        read(&path, &name, Format::Csv, &surveyed.parts[0], &Options::default(), &mut |_| {
            ControlFlow::Continue(())
        })
        .unwrap_err();
    assert!(matches!(error, Error::Changed { .. }), "the digest would be of other bytes");
}

#[test]
fn files_are_found_in_the_order_of_their_names() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["b.csv", "a.csv", "a.csv.zst", "c.txt"] {
        std::fs::write(dir.path().join(name), "x").unwrap();
    }
    let found = find("*.csv*", dir.path()).unwrap();
    let names: Vec<_> = found.iter().map(|p| p.file_name().unwrap().to_owned()).collect();
    assert_eq!(names, ["a.csv", "a.csv.zst", "b.csv"], "the order of parts would differ");
}

#[test]
fn a_pattern_that_finds_nothing_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let error = find("*.csv", dir.path()).unwrap_err();
    assert!(matches!(error, Error::NothingFound { .. }), "a typo would ingest nothing");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn parts_together_are_the_whole_wherever_they_are_cut(
        body in "([a,\"\n\r]|é){0,120}",
        part_bytes in 1_u64..40,
        batch_rows in 1_usize..5,
        lines in any::<bool>(),
    ) {
        let dir = Dir::new();
        let (format, text) = if lines {
            (Format::Ndjson, body.replace('a', "{\"a\":1}"))
        } else {
            (Format::Csv, format!("a,b\n{body}"))
        };
        let path = dir.file("t", text.as_bytes());
        if text.is_empty() {
            return Ok(());
        }
        let options = Options { batch_rows, ..Options::default() };
        let whole = match see(&path, format, &options, &["a", "b"]) {
            Ok(seen) => seen,
            Err(Error::Empty { .. }) => return Ok(()),
            Err(other) => panic!("{other}"),
        };
        let surveyed = survey(&path, format, part_bytes).unwrap();
        prop_assert_eq!(surveyed.digest, crate::digest::Sha3Digest::of(text.as_bytes()));
        prop_assert_eq!(&survey(&path, format, part_bytes).unwrap(), &surveyed);
        let mut parts = Seen::default();
        for part in &surveyed.parts {
            let written = serde_json::to_string(part).unwrap();
            let part: Part = serde_json::from_str(&written).unwrap();
            let name = Arc::from("t");
            read(&path, &name, format, &part, &options, &mut |batch| {
                gather(&mut parts, &batch, &["a", "b"]);
                ControlFlow::Continue(())
            }).unwrap();
        }
        parts.0.sort();
        parts.1.sort();
        let mut whole = whole;
        whole.0.sort();
        whole.1.sort();
        prop_assert_eq!(parts, whole);
    }
}
