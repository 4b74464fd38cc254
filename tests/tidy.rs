//! Keeps the map: who may import whom, what never may, and how each file of `src` begins.
//!
//! Comes in: the text of `src/**/*.rs`. Goes out: every fault, with file, line and reason.
//! Never: a rule that only a reader's memory keeps.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

/// The rooms from the ground up. A file imports from the rows above its own, or from rooms that
/// stand earlier in its own row.
const ROWS: &[&[&str]] = &[
    &[
        "digest",
        "instant",
        "party",
        "purpose",
        "money",
        "fault",
        "store",
        "redaction",
        "signed_note",
        "frame",
    ],
    &["source", "usage", "payee", "credential", "ledger", "witness"],
    &["schema", "reward", "bank", "cover"],
    &["quality", "linkage", "records"],
    &["consent"],
    &["deid"],
    &["lake"],
    &["vault", "catalog", "query", "transfer", "audit"],
    // Acts write pages of what they did, so pages lie below the acts; they ask nothing of them.
    &["report"],
    &["site", "pipeline"],
    &["population"],
    &["serve", "cluster", "cli"],
];

/// What never may be imported: (the importing room, the room or module, why).
const NEVERS: &[(&str, &str, &str)] = &[
    ("reward", "query", "pay follows usage records, not rows"),
    ("reward", "lake", "pay follows usage records, not rows"),
    ("ledger", "lake", "the book holds digests, counts, commitments"),
    ("ledger", "consent", "the book holds digests, counts, commitments"),
    ("ledger", "deid", "the book holds digests, counts, commitments"),
    ("audit", "pipeline", "an auditor asks no act"),
    ("audit", "site", "an auditor holds no key"),
    ("audit", "consent", "an auditor works out standing for itself"),
    ("audit", "deid", "an auditor works out classes for itself"),
    ("audit", "reward", "an auditor works out shares for itself"),
    ("cli", "lake", "a face asks an act"),
    ("cli", "deid", "a face asks an act"),
    ("cli", "source", "a face asks an act"),
    ("report", "lake", "a face asks an act"),
    ("report", "deid", "a face asks an act"),
    ("report", "source", "a face asks an act"),
    ("serve", "lake", "a face asks an act"),
    ("serve", "deid", "a face asks an act"),
    ("serve", "source", "a face asks an act"),
];

/// The one hand that writes the book, and the rooms that may guide it.
const HAND: (&str, &str, &[&str]) = ("ledger", "log", &["ledger", "site", "pipeline"]);

/// Crates that belong to few places: (crate, where: a room, or a file of one).
const CRATES: &[(&str, &[&str])] = &[
    ("datafusion", &["query", "cluster"]),
    ("ballista", &["cluster"]),
    ("polars", &["frame", "quality", "linkage", "reward", "report"]),
    ("polars_arrow", &["frame"]),
    ("object_store", &["store", "query/session", "query/keys", "query/tables"]),
    ("typst", &["report/pdf"]),
    ("typst_layout", &["report/pdf"]),
    ("typst_pdf", &["report/pdf"]),
    ("typst_assets", &["report/pdf"]),
    ("fluent_bundle", &["report/messages"]),
    ("unic_langid", &["report/messages"]),
    ("hpke", &["transfer"]),
    ("aho_corasick", &["deid"]),
    ("regex", &["deid"]),
    ("fpe", &["deid"]),
    ("aes", &["deid"]),
    ("statrs", &["deid"]),
    ("aes_gcm", &["vault"]),
    ("hyper", &["witness"]),
    ("hyper_util", &["witness"]),
    ("http_body_util", &["witness"]),
    ("reqwest", &["witness"]),
    ("rustix", &["store"]),
    ("rand", &["population"]),
    ("rand_chacha", &["population"]),
];

/// Words that belong to few rooms or to all but some: (word, rooms that may not, why).
const WORDS: &[(&str, &[&str], &str)] =
    &[("ContributorId", &["ledger"], "an entry names or singles out no person")];

/// The longest file; past 500 lines look for the second idea.
const FILE_LINES_MAX: usize = 600;

/// One broken rule.
#[derive(Debug, PartialEq, Eq)]
struct Fault {
    file: String,
    line: usize,
    reason: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "src/{}:{}: {}", self.file, self.line, self.reason)
    }
}

/// Checks one file; `path` is relative to `src`, such as `query/session.rs`.
fn check(path: &str, text: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut fault =
        |line: usize, reason: String| faults.push(Fault { file: path.to_owned(), line, reason });

    if !text.starts_with("//! ") {
        fault(1, "it does not begin with `//!`: what it owns, comes in, goes out, never".into());
    }
    let lines = text.lines().count();
    if lines > FILE_LINES_MAX {
        fault(lines, format!("{lines} lines are more than {FILE_LINES_MAX}: find the second idea"));
    }

    let module = module_of(path);
    let room = module.first().cloned().unwrap_or_default();
    let tokens = tokens(text);
    if !room.is_empty() && rank(&room).is_none() {
        fault(1, format!("room `{room}` has no place in the order (tests/tidy.rs, ROWS)"));
        return faults;
    }

    for import in imports(&tokens, &module) {
        let Some(target) = import.path.first() else {
            if import.glob && !room.is_empty() {
                fault(import.line, "it imports the whole crate by `*`".into());
            }
            continue;
        };
        if path == "lib.rs" {
            continue;
        }
        if path == "main.rs" {
            if target != "cli" {
                fault(import.line, format!("main asks `cli` alone, not `{target}`"));
            }
            continue;
        }
        let name = import.path.join("::");
        if import.path.len() == 1 && *target != room && (import.glob || import.renamed) {
            let how = if import.glob { "`*`" } else { "another name" };
            fault(import.line, format!("it imports room `{target}` by {how}: name what it takes"));
        }
        if let Some((_, _, why)) = NEVERS.iter().find(|(from, to, _)| *from == room && to == target)
        {
            fault(import.line, format!("`{room}` never imports `{name}`: {why}"));
        } else {
            match (rank(&room), rank(target)) {
                _ if *target == room => {}
                (Some(here), Some(there)) if there < here => {}
                (_, None) => fault(import.line, format!("`{name}` lies in no room of the order")),
                (_, Some(_)) => {
                    fault(import.line, format!("`{room}` imports `{name}`, which stands above it"));
                }
            }
        }
    }

    let (book, hand, guides) = HAND;
    for window in tokens.windows(3) {
        if let [a, b, c] = window
            && a.text == book
            && b.text == "::"
            && c.text == hand
            && !guides.contains(&room.as_str())
            && !room.is_empty()
        {
            fault(c.line, format!("`{book}::{hand}` is for {guides:?} alone: one hand writes"));
        }
    }
    for import in imports(&tokens, &module) {
        let of_hand = import.path.iter().map(String::as_str).take(2).eq([book, hand]);
        if of_hand && !guides.contains(&room.as_str()) && !room.is_empty() {
            fault(
                import.line,
                format!("`{book}::{hand}` is for {guides:?} alone: one hand writes"),
            );
        }
        if of_hand && room == book && import.public {
            fault(import.line, format!("`{book}` hands `{hand}` on under another name"));
        }
    }

    for (i, token) in tokens.iter().enumerate() {
        let before = i.checked_sub(1).and_then(|j| tokens.get(j)).map_or("", |t| &t.text);
        let after = tokens.get(i + 1).map_or("", |t| &t.text);
        for (name, places) in CRATES {
            let used = token.text == *name
                && !matches!(before, "::" | "." | "mod" | "fn")
                && (after == "::" || matches!(before, "use" | "crate" | "extern"));
            let stem = module.join("/");
            if used && !places.iter().any(|p| stem == *p || room == *p) {
                fault(token.line, format!("crate `{name}` is for {places:?} alone"));
            }
        }
        for (word, rooms, why) in WORDS {
            if token.text == *word && rooms.contains(&room.as_str()) {
                fault(token.line, format!("`{word}` has no place in `{room}`: {why}"));
            }
        }
        if token.text == "unsafe" && room != "frame" {
            fault(token.line, "`unsafe` is for `frame` alone".into());
        }
    }
    faults.sort_by(|a, b| (a.line, &a.reason).cmp(&(b.line, &b.reason)));
    faults.dedup();
    faults
}

/// Returns where a room stands: (row, place in the row).
fn rank(room: &str) -> Option<(usize, usize)> {
    ROWS.iter()
        .enumerate()
        .find_map(|(row, rooms)| Some((row, rooms.iter().position(|r| *r == room)?)))
}

/// Returns the module path of a file: `a/b.rs` is `a::b`, `lib.rs` is the root.
fn module_of(path: &str) -> Vec<String> {
    let stem = path.strip_suffix(".rs").unwrap_or(path);
    let stem = stem.strip_suffix("/mod").unwrap_or(stem);
    match stem {
        "lib" | "main" => Vec::new(),
        _ => stem.split('/').map(str::to_owned).collect(),
    }
}

/// A word or a mark of a source text, outside comments and literals.
#[derive(Debug, Clone)]
struct Token {
    text: String,
    line: usize,
}

/// Cuts a text into words and marks; comments, literals and lifetimes are left out.
fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let (mut i, mut line, mut out) = (0, 1, Vec::new());
    // Moves to `to`, counting the lines passed.
    let skip = |i: &mut usize, line: &mut usize, to: usize| {
        let to = to.min(chars.len());
        *line += chars.get(*i..to).unwrap_or_default().iter().filter(|c| **c == '\n').count();
        *i = to;
    };
    while i < chars.len() {
        let c = at(i);
        if c == '/' && at(i + 1) == '/' {
            let end = (i..chars.len()).find(|&j| at(j) == '\n').unwrap_or(chars.len());
            skip(&mut i, &mut line, end);
        } else if c == '/' && at(i + 1) == '*' {
            let (mut depth, mut j) = (1, i + 2);
            while depth > 0 && j < chars.len() {
                match (at(j), at(j + 1)) {
                    ('/', '*') => (depth, j) = (depth + 1, j + 2),
                    ('*', '/') => (depth, j) = (depth - 1, j + 2),
                    _ => j += 1,
                }
            }
            skip(&mut i, &mut line, j);
        } else if let Some(end) = raw_string_end(&chars, i) {
            skip(&mut i, &mut line, end);
        } else if c == '"' || (matches!(c, 'b' | 'c') && at(i + 1) == '"') {
            let mut j = if c == '"' { i + 1 } else { i + 2 };
            while j < chars.len() && at(j) != '"' {
                j += if at(j) == '\\' { 2 } else { 1 };
            }
            skip(&mut i, &mut line, j + 1);
        } else if c == '\'' || (c == 'b' && at(i + 1) == '\'') {
            let open = if c == '\'' { i } else { i + 1 };
            let end = if at(open + 1) == '\\' {
                (open + 3..chars.len()).find(|&j| at(j) == '\'').map_or(chars.len(), |j| j + 1)
            } else if at(open + 2) == '\'' {
                open + 3
            } else {
                // A lifetime: the quote and its word.
                (open + 1..chars.len())
                    .find(|&j| !(at(j).is_alphanumeric() || at(j) == '_'))
                    .unwrap_or(chars.len())
            };
            skip(&mut i, &mut line, end);
        } else if c.is_alphanumeric() || c == '_' {
            let end = (i..chars.len())
                .find(|&j| !(at(j).is_alphanumeric() || at(j) == '_'))
                .unwrap_or(chars.len());
            let text = chars.get(i..end).unwrap_or_default().iter().collect();
            out.push(Token { text, line });
            i = end;
        } else if c == ':' && at(i + 1) == ':' {
            out.push(Token { text: "::".into(), line });
            i += 2;
        } else {
            if !c.is_whitespace() {
                out.push(Token { text: c.to_string(), line });
            }
            let next = i + 1;
            skip(&mut i, &mut line, next);
        }
    }
    out
}

/// Returns the end of the raw string that begins at `i`, if one does.
fn raw_string_end(chars: &[char], i: usize) -> Option<usize> {
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let mut j = i;
    if matches!(at(j), 'b' | 'c') {
        j += 1;
    }
    if at(j) != 'r' {
        return None;
    }
    let hashes = (j + 1..chars.len()).take_while(|&k| at(k) == '#').count();
    let open = j + 1 + hashes;
    if at(open) != '"' {
        return None;
    }
    let closed = |&k: &usize| at(k) == '"' && (1..=hashes).all(|h| at(k + h) == '#');
    Some((open + 1..chars.len()).find(closed).map_or(chars.len(), |k| k + 1 + hashes))
}

/// One path into the crate, from its root.
#[derive(Debug)]
struct Import {
    path: Vec<String>,
    line: usize,
    glob: bool,
    renamed: bool,
    public: bool,
}

/// Finds every path into the crate: `crate::…`, `almoner::…`, `self::…`, `super::…`, in `use` or
/// not, with groups unfolded; inline modules count as levels of `super`.
fn imports(tokens: &[Token], module: &[String]) -> Vec<Import> {
    let word = |i: usize| tokens.get(i).map_or("", |t| t.text.as_str());
    let (mut out, mut depth, mut inline) = (Vec::new(), 0_usize, Vec::<(usize, String)>::new());
    for (i, token) in tokens.iter().enumerate() {
        match token.text.as_str() {
            "{" => {
                depth += 1;
                if i >= 2 && word(i - 2) == "mod" {
                    inline.push((depth, word(i - 1).to_owned()));
                }
            }
            "}" => {
                inline.retain(|(d, _)| *d < depth);
                depth = depth.saturating_sub(1);
            }
            "crate" | "almoner" | "self" | "super"
                if word(i + 1) == "::" && (i == 0 || word(i - 1) != "::") =>
            {
                let mut path = module.to_vec();
                path.extend(inline.iter().map(|(_, name)| name.clone()));
                let mut next = i;
                match token.text.as_str() {
                    "crate" | "almoner" => path.clear(),
                    "super" => {
                        path.pop();
                        while word(next + 1) == "::" && word(next + 2) == "super" {
                            path.pop();
                            next += 2;
                        }
                    }
                    _ => {}
                }
                let public = i >= 2 && word(i - 1) == "use" && matches!(word(i - 2), "pub" | ")");
                unfold(tokens, next + 2, path, public, &mut out);
            }
            _ => {}
        }
    }
    out
}

/// Unfolds the tree of paths that begins at `i`; returns where it ends.
fn unfold(
    tokens: &[Token],
    mut i: usize,
    mut path: Vec<String>,
    public: bool,
    out: &mut Vec<Import>,
) -> usize {
    let word = |i: usize| tokens.get(i).map_or("", |t| t.text.as_str());
    let line = tokens.get(i).map_or(0, |t| t.line);
    let mut glob = false;
    loop {
        match word(i) {
            "{" => {
                i += 1;
                while !matches!(word(i), "}" | "") {
                    i = unfold(tokens, i, path.clone(), public, out);
                    while word(i) == "," {
                        i += 1;
                    }
                }
                return i + 1;
            }
            "*" => (glob, i) = (true, i + 1),
            "self" => i += 1,
            name if name.starts_with(|c: char| c.is_alphabetic() || c == '_') => {
                path.push(name.to_owned());
                i += 1;
            }
            // Anything else ends the path, and is stepped over lest a group never ends.
            _ => i += 1,
        }
        if word(i) != "::" {
            break;
        }
        i += 1;
    }
    let renamed = word(i) == "as";
    if renamed {
        i += 2;
    }
    out.push(Import { path, line, glob, renamed, public });
    i
}

/// Lists `*.rs` below a folder, sorted.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

#[test]
fn every_file_of_src_keeps_the_map() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut faults = Vec::new();
    let found = files(&src).unwrap();
    assert!(found.len() > 20, "the files of src were not found");
    for file in found {
        let path = file.strip_prefix(&src).unwrap().to_str().unwrap().replace('\\', "/");
        let text = fs::read_to_string(&file).unwrap();
        faults.extend(check(&path, &text).iter().map(ToString::to_string));
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn every_room_of_lib_has_a_place_in_the_order() {
    let text =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let tokens = tokens(&text);
    let rooms = tokens.windows(2).filter(|w| w[0].text == "mod").map(|w| w[1].text.clone());
    for room in rooms {
        assert!(rank(&room).is_some(), "room `{room}` of lib.rs has no place in ROWS");
    }
}

/// Returns the faults of a small file that begins as it should.
fn faults_of(path: &str, code: &str) -> Vec<String> {
    check(path, &format!("//! A room.\n{code}")).into_iter().map(|f| f.to_string()).collect()
}

#[track_caller]
fn refused(path: &str, code: &str, line: usize, words: &str) {
    let faults = faults_of(path, code);
    assert!(
        faults.iter().any(|f| f.starts_with(&format!("src/{path}:{line}: ")) && f.contains(words)),
        "`{code}` in {path} should be refused in line {line} with `{words}`: {faults:?}"
    );
}

#[track_caller]
fn allowed(path: &str, code: &str) {
    assert_eq!(faults_of(path, code), Vec::<String>::new(), "`{code}` in {path}");
}

#[test]
fn an_arrow_down_is_allowed_and_an_arrow_up_is_not() {
    allowed("schema.rs", "use crate::digest::Sha3Digest;");
    allowed("lake/commit.rs", "use crate::{digest::{Sha256, hex}, deid::ReleasableBatch, store};");
    allowed("pipeline/ingest.rs", "use crate::{site::Site, ledger::log::Log, lake};");
    allowed("source/csv.rs", "use super::RawBatch; use crate::source::Part;");
    refused("schema.rs", "use crate::deid::Plan;", 2, "stands above");
    refused("digest.rs", "\nuse crate::{\n    store,\n};", 4, "stands above");
    refused("site.rs", "fn f() -> crate::pipeline::Run {}", 2, "stands above");
    refused("source/csv.rs", "use super::super::schema::TableSchema;", 2, "stands above");
    refused(
        "deid/plan.rs",
        "mod a { mod b { use super::super::super::super::lake::X; } }",
        2,
        "above",
    );
    refused("consent.rs", "use crate::{schema::{self, X}, lake::{Version}};", 2, "lake::Version");
    refused("usage.rs", "use crate::nowhere::X;", 2, "no room");
    refused("attic/x.rs", "", 1, "no place in the order");
}

#[test]
fn what_never_may_be_imported_is_refused_with_its_reason() {
    refused("reward/shares.rs", "use crate::lake::Version;", 2, "pay follows usage");
    refused("ledger/entry.rs", "use crate::party::ContributorId;", 2, "singles out no person");
    refused("audit.rs", "use crate::reward::apportion;", 2, "works out shares");
    refused("audit/tree.rs", "use crate::{ledger::{entry, log::Log}};", 2, "one hand");
    refused("query.rs", "use crate::ledger; fn f() { ledger::log::x(); }", 2, "one hand");
    refused("cli/dataset.rs", "use crate::lake::Version;", 2, "a face asks an act");
    refused("report/run.rs", "use crate::deid::Risk;", 2, "a face asks an act");
    refused("ledger.rs", "pub use self::log::Log as Hand;", 2, "under another name");
    refused("audit.rs", "use crate::ledger as book;", 2, "another name");
    refused("audit.rs", "use crate::ledger::*;", 2, "by `*`");
    allowed("site.rs", "use crate::ledger::log::{self, Log};");
    allowed("audit.rs", "use crate::ledger::{entry::Entry, tree};");
}

#[test]
fn a_crate_stays_in_its_place() {
    allowed("query/session.rs", "use datafusion::prelude::SessionContext; use object_store::path;");
    allowed("store/remote.rs", "use object_store::{ObjectStore, aws};");
    allowed("lake/read.rs", "fn f(s: &Store) { s.object_store(); }");
    refused("query/guard.rs", "use object_store::path::Path;", 2, "crate `object_store`");
    refused("lake/read.rs", "fn f() { datafusion::prelude::x(); }", 2, "crate `datafusion`");
    refused("deid/kernel.rs", "use rand::Rng;", 2, "crate `rand`");
    refused("usage.rs", "use polars::prelude::DataFrame;", 2, "crate `polars`");
    refused("digest.rs", "unsafe fn f() {}", 2, "`unsafe`");
    refused("main.rs", "use almoner::site::Site;", 2, "`cli` alone");
}

#[test]
fn comments_and_literals_import_nothing() {
    allowed("digest.rs", "/// See [`crate::lake`].\n// crate::lake\n/* crate::lake /* in */ */");
    allowed("digest.rs", "const A: &str = \"crate::lake \\\" unsafe\"; const B: char = '\"';");
    allowed("digest.rs", "const A: &[u8] = br#\"crate::lake\" unsafe\"#; fn f<'a>(x: &'a u8) {}");
    refused("digest.rs", "const C: char = '\\''; use crate::lake;", 2, "stands above");
    refused("digest.rs", "const S: &str = \"a\n b\";\nuse crate::lake;", 4, "stands above");
}

#[test]
fn a_file_says_what_it_owns_and_stays_short() {
    assert!(check("digest.rs", "use std::fmt;\n")[0].reason.contains("begin with `//!`"));
    let long = format!("//! Long.\n{}", "\n".repeat(FILE_LINES_MAX));
    assert!(check("digest.rs", &long)[0].reason.contains("second idea"));
}
