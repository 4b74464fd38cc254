//! Stories that a patient, a steward or an auditor can read: Markdown whose commands run.
//!
//! Comes in: a page with blocks of `console`. Goes out: nothing, or the first command that says something
//! else than the page. Never: a step that is told and does not run.
//!
//! A line that begins with `$ ` is a command for the shell (`> ` goes on with it); what follows is what it
//! says on both streams. `[..]` stands for anything within a line, a line `...` for any lines.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use super::{commons::Commons, real_input::data};

/// One command of a page and what it says.
struct Told {
    line: usize,
    command: String,
    said: Vec<String>,
}

fn read(page: &str) -> Vec<Told> {
    let mut all: Vec<Told> = Vec::new();
    let mut inside = false;
    for (line, text) in (1..).zip(page.lines()) {
        if text.starts_with("```") {
            inside = text == "```console";
        } else if let Some(command) = text.strip_prefix("$ ").filter(|_| inside) {
            all.push(Told { line, command: command.to_owned(), said: Vec::new() });
        } else if let (true, Some(told)) = (inside, all.last_mut()) {
            match text.strip_prefix("> ").filter(|_| told.said.is_empty()) {
                Some(more) => told.command.extend(["\n", more]),
                None => told.said.push(text.to_owned()),
            }
        }
    }
    all
}

/// Says whether a line is what a pattern says.
fn fits(pattern: &str, line: &str) -> bool {
    let mut parts: Vec<&str> = pattern.split("[..]").collect();
    let (first, last) = (parts.remove(0), parts.pop());
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    last.map_or(rest.is_empty(), |last| rest.ends_with(last))
}

fn all_fit(patterns: &[String], lines: &[&str]) -> bool {
    match (patterns.split_first(), lines.split_first()) {
        (None, None) => true,
        (Some((first, rest)), _) if first == "..." => {
            (0..=lines.len()).any(|at| all_fit(rest, &lines[at..]))
        }
        (Some((first, patterns)), Some((line, lines))) => {
            fits(first, line) && all_fit(patterns, lines)
        }
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// Runs a page in a folder of its own, with `DATA` for the shared data.
fn run(name: &str, page: &str, data: &Path) {
    let commons = Commons::new(name);
    let program = Path::new(env!("CARGO_BIN_EXE_almoner")).parent().unwrap();
    let path = format!("{}:/usr/bin:/bin", program.display());
    for Told { line, command, said } in read(page) {
        let output = Command::new("/bin/sh")
            .args(["-c", &format!("exec 2>&1\n{command}")])
            .current_dir(&commons.folder)
            .env_clear()
            .env("PATH", &path)
            .env("DATA", data)
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let found = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut lines: Vec<&str> = found.lines().map(str::trim_end).collect();
        let code = output.status.code().unwrap_or(-1);
        let ended = format!("? {code}");
        if code != 0 {
            lines.push(&ended);
        }
        let mut said = said;
        while said.last().is_some_and(String::is_empty) {
            said.pop();
        }
        assert!(
            all_fit(&said, &lines),
            "{name}.md:{line}: `{command}` said\n{}\nand the page says\n{}",
            lines.join("\n"),
            said.join("\n")
        );
    }
}

#[test]
fn a_patients_record_goes_to_another_hospital() {
    let Some(export) = data("synthea-r4-multi") else { return };
    let page =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/whole/transfer.md"));
    run("transfer-story", &page.unwrap(), &export);
}

#[test]
fn a_page_that_tells_something_else_is_told_from_one_that_does_not() {
    assert!(fits("a [..] c [..]", "a bbb c d") && !fits("a [..] c", "a b d"));
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    assert!(all_fit(&lines("a\n...\nd"), &["a", "b", "c", "d"]));
    assert!(!all_fit(&lines("a\n...\ne"), &["a", "b", "c", "d"]));
    let told = read("```console\n$ echo 1 \\\n> 2\n1 2\n```\n$ not run\n");
    assert_eq!((told.len(), told[0].said.len()), (1, 1));
    assert!(told[0].command.ends_with('2'));
}
