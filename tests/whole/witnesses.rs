//! Witnesses from outside: by file and over HTTP, two at once, killed; a book that forks, is set back,
//! or shows what too few have cosigned; and a client that remembers.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::Value;

use super::commons::{Commons, Said};

/// A site with a book of one entry.
fn site(name: &str) -> Commons {
    let commons = Commons::new(&format!("witnesses/{name}"));
    commons.ok(&["init"]);
    commons
}

/// Makes the book one entry longer.
fn grow(commons: &Commons, n: usize) {
    let payer = format!("clinic-{n}");
    let reason = ["--reason", "one owner", "--approver", "board"];
    commons.ok(&[&["party", "relate", &payer, "north-shore"][..], &reason].concat());
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

fn log_vkey(commons: &Commons) -> String {
    let about: Value = serde_json::from_str(&text(&commons.path("site/site.json"))).unwrap();
    about["log_vkey"].as_str().unwrap().to_owned()
}

/// Makes a witness in a folder; returns its key.
fn witness(commons: &Commons, name: &str) -> String {
    let (state, log) = (commons.path(name), log_vkey(commons));
    let world = format!("{name}.example/witness");
    let made = commons.ok(&[
        "--format",
        "json",
        "ledger",
        "witness",
        "init",
        state.to_str().unwrap(),
        "--name",
        &world,
        "--log",
        &log,
    ]);
    let made: Value = serde_json::from_str(&made.out).unwrap();
    made["witness"].as_str().unwrap().to_owned()
}

/// Writes a policy of witnesses, `lines` after them.
fn policy(commons: &Commons, witnesses: &[(&str, String, Option<String>)], lines: &str) -> PathBuf {
    let mut policy = format!("# tests\nlog {}\n", log_vkey(commons));
    for (name, vkey, url) in witnesses {
        policy.extend(["witness ", name, " ", vkey, " ", url.as_deref().unwrap_or_default(), "\n"]);
    }
    let file = commons.path("policy");
    fs::write(&file, policy + lines).unwrap();
    file
}

/// Asks a witness by file; returns what it said, its answer being in `NAME.response`.
fn answer(commons: &Commons, name: &str, request: &str) -> Said {
    let (state, request) = (commons.path(name), commons.path(request));
    let said = commons.run(&[
        "ledger",
        "witness",
        "answer",
        state.to_str().unwrap(),
        "--request",
        request.to_str().unwrap(),
    ]);
    fs::write(commons.path(&format!("{name}.response")), &said.out).unwrap();
    said
}

fn request(commons: &Commons, more: &[&str]) {
    let file = commons.path("request");
    commons.ok(&[&["ledger", "request", "--out", file.to_str().unwrap()][..], more].concat());
}

fn cosign(commons: &Commons, name: &str) -> Said {
    let file = commons.path(&format!("{name}.response"));
    commons.run(&["ledger", "cosign", file.to_str().unwrap()])
}

/// How many entries the checkpoint has that anybody may read.
fn shown(commons: &Commons) -> u64 {
    text(&commons.path("site/ledger/checkpoint")).lines().nth(1).unwrap().parse().unwrap()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn a_checkpoint_is_shown_when_two_of_three_have_cosigned_it_and_no_sooner() {
    let commons = site("files");
    let three = ["a", "b", "c"].map(|name| (name, witness(&commons, name), None));
    let file = policy(&commons, &three, "group some 2 a b c\nquorum some\n");
    let file = file.to_str().unwrap();
    let told = commons.ok(&["ledger", "policy", file]);
    assert!(told.err.contains("signed: 2 entries; shown: 1"), "{}", told.err);
    let again = commons.ok(&["ledger", "policy", file]);
    assert!(again.err.contains("nothing changed"), "a policy is in the book twice");
    grow(&commons, 1);
    assert_eq!(shown(&commons), 1, "it was shown before anybody cosigned it");
    let signed = commons.ok(&["ledger", "checkpoint", "--signed"]).out;
    assert_eq!(signed.lines().nth(1), Some("3"), "the steward cannot see what was signed");

    let ledger = commons.path("site/ledger");
    let ledger = ledger.to_str().unwrap();
    let stranger = ["ledger", "checkpoint", "--ledger", ledger, "--policy", file];
    assert_eq!(commons.run(&stranger).code, Some(8), "a stranger's policy was not asked");

    request(&commons, &["--witness", "a"]);
    for (name, enough) in [("a", false), ("b", true)] {
        let said = answer(&commons, name, "request");
        assert_eq!(said.code, Some(0), "{}", said.err);
        let took = cosign(&commons, name);
        assert_eq!(took.code, Some(0), "{}{}", took.out, took.err);
        assert_eq!(shown(&commons), if enough { 3 } else { 1 }, "after {name}");
        commons.ok(&["verify"]);
        commons.ok(&["audit", "--no-publish"]);
    }
    let twice = cosign(&commons, "a");
    assert!(twice.code == Some(0) && twice.out.contains("known"), "{}{}", twice.out, twice.err);
    let seen = commons.ok(&stranger).out;
    assert_eq!(seen.matches("\u{2014} ").count(), 3, "a line is missing: {seen}");

    // What the site knows of where each stands.
    grow(&commons, 2);
    request(&commons, &["--witness", "c"]);
    assert!(text(&commons.path("request")).starts_with("old 0\n"));
    request(&commons, &["--witness", "a"]);
    assert!(text(&commons.path("request")).starts_with("old 3\n"));
    let stale = {
        request(&commons, &["--old", "2"]);
        answer(&commons, "a", "request")
    };
    assert_eq!((stale.code, stale.out.as_str()), (Some(5), "3\n"));
    let told = cosign(&commons, "a");
    assert!(told.code == Some(5) && told.err.contains("--old 3"), "{}", told.err);

    // A line that was changed on the way, and one of somebody whom nobody asked.
    request(&commons, &["--witness", "b"]);
    let good = answer(&commons, "b", "request").out;
    let at = good.rfind(' ').unwrap() + 20;
    let changed = if good.as_bytes()[at] == b'A' { "B" } else { "A" };
    let bad = format!("{}{changed}{}", &good[..at], &good[at + 1..]);
    fs::write(commons.path("b.response"), bad).unwrap();
    assert_eq!(cosign(&commons, "b").code, Some(7), "a line that holds nowhere was taken");
    witness(&commons, "stranger");
    request(&commons, &[]);
    assert_eq!(answer(&commons, "stranger", "request").code, Some(0));
    assert_eq!(cosign(&commons, "stranger").code, Some(8), "a stranger counted");
    assert_eq!(shown(&commons), 3);
    // Both of one file at once.
    request(&commons, &["--witness", "a"]);
    let both = answer(&commons, "a", "request").out + &good;
    fs::write(commons.path("both.response"), both).unwrap();
    assert_eq!(cosign(&commons, "both").code, Some(0));
    assert_eq!(shown(&commons), 4);
    commons.ok(&["verify", "--deep"]);

    // Who asks nobody any more shows at once.
    let open = commons.path("open");
    fs::write(&open, "quorum none\n").unwrap();
    commons.ok(&["ledger", "policy", open.to_str().unwrap()]);
    assert_eq!(shown(&commons), 5);
    commons.ok(&["verify", "--deep"]);
    commons.ok(&["audit", "--no-publish"]);
}

#[test]
fn a_book_that_shows_what_too_few_cosigned_or_is_set_back_is_found() {
    let commons = site("tampered");
    let one = [("a", witness(&commons, "a"), None)];
    let file = policy(&commons, &one, "quorum a\n");
    commons.ok(&["ledger", "policy", file.to_str().unwrap()]);
    grow(&commons, 1);
    let ledger = commons.path("site/ledger");
    let first = text(&ledger.join("checkpoint"));
    fs::copy(ledger.join("checkpoints/3"), ledger.join("checkpoint")).unwrap();
    let found = commons.run(&["ledger", "verify"]);
    assert!(found.code == Some(7) && found.out.contains("fewer witnesses"), "{}", found.out);
    fs::write(ledger.join("checkpoint"), &first).unwrap();
    commons.ok(&["ledger", "verify"]);

    request(&commons, &["--witness", "a"]);
    answer(&commons, "a", "request");
    assert_eq!(cosign(&commons, "a").code, Some(0));
    let second = text(&ledger.join("checkpoint"));
    fs::write(ledger.join("checkpoint"), &first).unwrap();
    let found = commons.run(&["ledger", "verify"]);
    assert!(found.code == Some(7) && found.out.contains("older"), "{}", found.out);
    commons.ok(&["party", "show"]);
    assert_eq!(text(&ledger.join("checkpoint")), second, "opening the site does not mend it");

    let lines = super::commons::files(&ledger.join("cosignatures"));
    for object in [&lines[0], &ledger.join("policy"), &ledger.join("policies/000000000001.json")] {
        let whole = fs::read(object).unwrap();
        for at in (0..whole.len()).step_by(whole.len() / 7) {
            let mut bytes = whole.clone();
            bytes[at] ^= 4;
            fs::write(object, bytes).unwrap();
            let found = commons.run(&["ledger", "verify"]);
            let name = object.display();
            assert_eq!(found.code, Some(7), "byte {at} of {name} was changed: {}", found.out);
        }
        fs::write(object, whole).unwrap();
    }
    commons.ok(&["ledger", "verify"]);
}

/// A witness that serves until it is dropped.
struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn serve(commons: &Commons, name: &str) -> (Served, String) {
    let state = commons.path(name);
    let mut child = commons
        .command(&[
            "ledger",
            "witness",
            "serve",
            state.to_str().unwrap(),
            "--listen",
            "127.0.0.1:0",
        ])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (Served(child), line.trim_end().to_owned())
}

#[test]
fn witnesses_are_asked_over_http_and_one_that_is_away_is_not_waited_for() {
    let commons = site("http");
    let keys = ["a", "b", "c"].map(|name| witness(&commons, name));
    let (first, second) = (serve(&commons, "a"), serve(&commons, "b"));
    let [a, b, c] = keys;
    let three = [
        ("a", a, Some(first.1.clone())),
        ("b", b, Some(second.1.clone())),
        ("c", c, Some("http://127.0.0.1:1".to_owned())),
    ];
    let file = policy(&commons, &three, "group some 2 a b c\nquorum some\n");
    commons.ok(&["ledger", "policy", file.to_str().unwrap()]);
    let told = commons.ok(&["--format", "json", "ledger", "ask"]);
    let told: Value = serde_json::from_str(&told.out).unwrap();
    let cosigned: Vec<_> =
        told["asked"].as_array().unwrap().iter().map(|a| &a["cosigned"]).collect();
    assert_eq!(cosigned, [true, true, false], "{told}");
    assert_eq!((shown(&commons), &told["shown"]), (2, &Value::from(2)));
    // A witness that went on without the site knowing of it says where it stands.
    grow(&commons, 1);
    request(&commons, &["--witness", "a"]);
    assert_eq!(answer(&commons, "a", "request").code, Some(0));
    grow(&commons, 2);
    commons.ok(&["ledger", "ask"]);
    assert_eq!(shown(&commons), 4);
    drop(second);
    grow(&commons, 3);
    let told = commons.run(&["ledger", "ask"]);
    assert_eq!(told.code, Some(5), "one of two passed for two: {}{}", told.out, told.err);
    assert_eq!(shown(&commons), 4);
    commons.ok(&["verify"]);
}

/// Makes a second history of a site under the same keys: `there` gets other entries than `commons`.
fn forked(commons: &Commons, name: &str) -> Commons {
    let there = Commons::new(&format!("witnesses/{name}"));
    copy(&commons.path("site"), &there.path("site"));
    copy(&commons.path("site.keys"), &there.path("site.keys"));
    let keys = fs::read_dir(there.path("site.keys")).unwrap();
    assert!(keys.count() > 0);
    Command::new("chmod").args(["-R", "go-rwx"]).arg(there.path("site.keys")).status().unwrap();
    there
}

#[test]
fn of_two_histories_a_witness_cosigns_one_whoever_asks_and_both_are_kept_as_evidence() {
    let one = site("fork-one");
    let vkey = log_vkey(&one);
    witness(&one, "a");
    let two = forked(&one, "fork-two");
    grow(&one, 1);
    grow(&two, 2);
    request(&one, &[]);
    request(&two, &[]);
    let state = one.path("a");
    let asked: Vec<Child> = (0..8)
        .map(|n| {
            let request = if n % 2 == 0 { &one } else { &two }.path("request");
            let mut command = one.command(&[
                "ledger",
                "witness",
                "answer",
                state.to_str().unwrap(),
                "--request",
                request.to_str().unwrap(),
            ]);
            command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
        })
        .collect();
    let codes = asked.into_iter().map(|mut child| child.wait().unwrap().code().unwrap());
    let mut codes: Vec<i32> = codes.collect();
    codes.sort_unstable();
    assert_eq!(codes, [0, 5, 5, 5, 5, 5, 5, 5], "two histories were cosigned");
    request(&one, &["--old", "2"]);
    request(&two, &["--old", "2"]);
    fs::copy(two.path("request"), one.path("other")).unwrap();
    let (mine, theirs) = (answer(&one, "a", "request").code, answer(&one, "a", "other").code);
    let mut codes = [mine, theirs];
    codes.sort_unstable();
    assert_eq!(codes, [Some(0), Some(7)], "the fork was cosigned too");
    let kept = fs::read_dir(&state).unwrap().map(|f| f.unwrap().file_name());
    assert!(kept.into_iter().any(|f| f.to_string_lossy().starts_with("fork-2-")));

    let out = one.path("evidence.json");
    let compare = |a: &Path, b: &Path, more: &[&str]| {
        let mut arguments = vec![
            "ledger",
            "evidence",
            a.to_str().unwrap(),
            b.to_str().unwrap(),
            "--vkey",
            &vkey,
            "--out",
            out.to_str().unwrap(),
        ];
        arguments.extend(more);
        let mut command = one.command(&arguments);
        command.env_remove("ALMONER_SITE").env_remove("ALMONER_KEYS");
        let output = command.output().unwrap();
        let evidence: Value = serde_json::from_str(&text(&out)).unwrap();
        (output.status.code(), evidence)
    };
    let (a, b) = (one.path("site/ledger/checkpoint"), two.path("site/ledger/checkpoint"));
    let (code, evidence) = compare(&a, &b, &[]);
    assert_eq!((code, evidence["verdict"].as_str()), (Some(7), Some("forked")), "{evidence}");
    // Of different sizes the log decides, and says it by a proof.
    grow(&two, 3);
    assert_eq!(compare(&a, &b, &[]).0, Some(8), "without the log it cannot be told");
    let ledger = two.path("site/ledger");
    let log = ["--ledger", ledger.to_str().unwrap()];
    let (code, evidence) = compare(&a, &b, &log);
    assert_eq!((code, evidence["verdict"].as_str()), (Some(7), Some("forked")), "{evidence}");
    assert_ne!(evidence["root_then"], evidence["older"]["root"], "{evidence}");
    assert!(!evidence["proof"].as_array().unwrap().is_empty(), "{evidence}");
    let before = two.path("site/ledger/checkpoints/1");
    let (code, evidence) = compare(&before, &b, &log);
    assert_eq!((code, evidence["verdict"].as_str()), (Some(0), Some("continues")), "{evidence}");
}

#[test]
fn a_client_that_remembers_refuses_a_book_that_was_set_back_or_forked() {
    let commons = site("memory");
    grow(&commons, 1);
    let fork = forked(&commons, "memory-fork");
    let earlier = forked(&commons, "memory-earlier");
    let seen = commons.path("seen");
    let look = |at: &Commons, more: &[&str]| {
        let ledger = at.path("site/ledger");
        let vkey = log_vkey(at);
        let mut arguments = vec!["ledger", "checkpoint", "--ledger", ledger.to_str().unwrap()];
        arguments.extend(["--vkey", &vkey, "--remember", seen.to_str().unwrap()]);
        arguments.extend(more);
        at.run(&arguments)
    };
    for said in ["from now on", "the one that is remembered"] {
        let looked = look(&commons, &[]);
        assert!(looked.code == Some(0) && looked.err.contains(said), "{}", looked.err);
    }
    grow(&commons, 2);
    let looked = look(&commons, &[]);
    assert!(looked.code == Some(0) && looked.err.contains("continues"), "{}", looked.err);
    let remembered = text(&seen);
    let looked = look(&earlier, &[]);
    assert!(looked.code == Some(7) && looked.err.contains("set back"), "{}", looked.err);
    grow(&fork, 3);
    let looked = look(&fork, &[]);
    assert!(looked.code == Some(7) && looked.err.contains("two histories"), "{}", looked.err);
    grow(&fork, 4);
    let looked = look(&fork, &[]);
    assert!(looked.code == Some(7) && looked.err.contains("two histories"), "{}", looked.err);
    assert_eq!(text(&seen), remembered, "a history that does not fit was remembered");
    let kept = fs::read_dir(&commons.folder).unwrap().map(|f| f.unwrap().file_name());
    let kept = kept.filter(|f| f.to_string_lossy().starts_with("seen.")).count();
    assert_eq!(kept, 2, "the proof of a fork was thrown away");
    let verified = commons.ok(&["verify", "--remember", seen.to_str().unwrap()]);
    assert!(verified.err.contains("the one that is remembered"), "{}", verified.err);
    let other = Commons::new("witnesses/memory-other");
    other.ok(&["init", "--origin", "other.example/ledger"]);
    assert_eq!(look(&other, &[]).code, Some(2), "one file took two logs for one");
}

#[test]
fn a_witness_that_is_killed_has_never_answered_what_it_forgot() {
    let commons = site("killed");
    witness(&commons, "a");
    let state = commons.path("a");
    let (mut answered, mut old) = (0, 0);
    for n in 0..15_u64 {
        grow(&commons, usize::try_from(n).unwrap());
        request(&commons, &["--old", &old.to_string()]);
        let file = commons.path("request");
        let mut child = commons
            .command(&[
                "ledger",
                "witness",
                "answer",
                state.to_str().unwrap(),
                "--request",
                file.to_str().unwrap(),
            ])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(n * 2));
        child.kill().unwrap();
        let said = child.wait_with_output().unwrap().stdout;
        let shown =
            commons.ok(&["--format", "json", "ledger", "witness", "show", state.to_str().unwrap()]);
        let shown: Value = serde_json::from_str(&shown.out).unwrap();
        let size = shown["logs"][0]["size"].as_u64().unwrap_or(0);
        assert!(size == old || size == n + 2, "it stands at {size}, which nobody asked for");
        if !said.is_empty() {
            answered += 1;
            assert_eq!(size, n + 2, "an answer left, and the witness has forgotten it");
        }
        old = size;
    }
    println!("killed 15 times, {answered} answers had left");
}

#[test]
fn a_policy_that_cannot_be_read_is_refused_with_its_line() {
    let commons = site("bad-policy");
    let file = commons.path("policy");
    let path = file.to_str().unwrap();
    for (text, says) in [
        ("quorum none\nquorum none\n", "line 2"),
        ("witness a b\nquorum a\n", "line 1"),
        ("\n\nnonsense\n", "line 3"),
    ] {
        fs::write(&file, text).unwrap();
        let said = commons.run(&["ledger", "policy", path]);
        assert!(said.code == Some(3) && said.err.contains(says), "{}", said.err);
    }
    let other = Commons::new("witnesses/bad-policy-other");
    other.ok(&["init"]);
    fs::write(&file, format!("log {}\nquorum none\n", log_vkey(&other))).unwrap();
    let said = commons.run(&["ledger", "policy", path]);
    assert!(said.code == Some(3) && said.err.contains("other logs"), "{}", said.err);
    assert_eq!(
        commons.run(&["ledger", "ask"]).code,
        Some(2),
        "without a policy nobody can be asked"
    );
    assert_eq!(shown(&commons), 1);
}
