//! CSV that a spreadsheet opens safely.
//!
//! Never: a text cell that begins as a formula (OWASP, CSV injection): a quotation mark goes before.

/// Returns a cell that no spreadsheet takes for a formula; plain numbers stay numbers.
pub fn safe_cell(text: &str) -> String {
    let number = text.strip_prefix('-').unwrap_or(text);
    let is_number = number.bytes().any(|byte| byte.is_ascii_digit())
        && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
        && number.bytes().filter(|byte| *byte == b'.').count() <= 1;
    // Spreadsheets pass over blanks before a formula, and take full-width signs for plain ones.
    let first = text.trim_start().chars().next();
    let risky = matches!(first, Some('=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠'))
        || text.starts_with(['\t', '\r', '\n']);
    if risky && !is_number { format!("'{text}") } else { text.to_owned() }
}

/// Writes rows as RFC 4180 CSV, each cell made safe.
pub(super) fn write<'a>(
    header: &[&str],
    rows: impl IntoIterator<Item = Vec<std::borrow::Cow<'a, str>>>,
) -> String {
    let mut out = String::new();
    line(&mut out, header.iter().copied());
    for row in rows {
        let cells: Vec<String> = row.iter().map(|cell| safe_cell(cell)).collect();
        line(&mut out, cells.iter().map(String::as_str));
    }
    out
}

fn line<'a>(out: &mut String, cells: impl Iterator<Item = &'a str>) {
    for (at, cell) in cells.enumerate() {
        if at > 0 {
            out.push(',');
        }
        if cell.contains(['"', ',', '\n', '\r']) {
            out.push('"');
            out.push_str(&cell.replace('"', "\"\""));
            out.push('"');
        } else {
            out.push_str(cell);
        }
    }
    out.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_that_begins_like_a_formula_is_disarmed() {
        for formula in
            ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1", "-=1"]
        {
            assert_eq!(safe_cell(formula), format!("'{formula}"), "a spreadsheet would run it");
        }
    }

    #[test]
    fn numbers_and_plain_text_stay_what_they_are() {
        for plain in ["-12.50", "0.43", "2026-10-01", "health research", "", "<11"] {
            assert_eq!(safe_cell(plain), plain);
        }
    }

    #[test]
    fn what_is_written_reads_back_as_rows() {
        let text = write(&["a", "b"], [vec!["x,\"y\"".into(), "=1".into()]]);
        let mut reader = ::csv::Reader::from_reader(text.as_bytes());
        let row = reader.records().next().unwrap().unwrap();
        assert_eq!(row.iter().collect::<Vec<_>>(), ["x,\"y\"", "'=1"]);
    }
}
