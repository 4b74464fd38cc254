//! A disk that is full, or fails: the n-th write, sync or rename of a command fails, for every n. The
//! command says so, leaves nothing half done, and run again ends where an undisturbed run ends.
//!
//! Of an ingest every ninth call fails, with `ALMONER_TEST_EVERY_CALL` each.
//!
//! `tests/stores/run.sh full` says where libfiu and a small disk are; without it nothing is run here.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use super::{
    commons::{Commons, Said},
    kill::{copy, differences, state},
    people,
};

/// What fails, as libfiu calls it, with which error, and whether every later one fails too.
const FAULTS: [(&str, &str, bool); 5] = [
    ("posix/io/rw/write", "28", false),
    ("posix/io/rw/write", "28", true),
    ("posix/io/sync/fsync", "5", false),
    ("posix/io/dir/rename", "28", false),
    ("posix/io/oc/open", "28", true),
];

/// Returns a setting of `run.sh`.
fn setting(name: &str) -> Option<String> {
    let set = std::env::var_os(name).and_then(|value| value.into_string().ok());
    if set.is_none() {
        println!("skipped: {name} is not set; tests/stores/run.sh full sets it");
    }
    set
}

/// Lists the temporary files below a folder.
fn orphans(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(orphans(&path));
        } else if path.file_name().is_some_and(|n| n.to_string_lossy().starts_with(".almoner-")) {
            found.push(path);
        }
    }
    found
}

/// One command, and what loads before it to make it fail.
struct Failing<'a> {
    base: &'a Commons,
    undisturbed: &'a Commons,
    arguments: &'a [&'a str],
    preload: &'a str,
}

impl Failing<'_> {
    /// Runs the command on a copy of the base with the n-th call failing; returns how many calls
    /// there were, and what it said.
    fn once(&self, copied: &Commons, (name, error, on): (&str, &str, bool), n: u64) -> (u64, Said) {
        copy(&self.base.folder, &copied.folder);
        let count = copied.path("count");
        let mut command = copied.command(self.arguments);
        command
            .env("LD_PRELOAD", self.preload)
            .env("NTH_NAME", name)
            .env("NTH", n.to_string())
            .env("NTH_ERROR", error)
            .env("NTH_COUNT", &count);
        if on {
            command.env("NTH_ON", "1");
        }
        let said = run(&mut command);
        let calls = fs::read_to_string(&count).unwrap_or_default().trim().parse().unwrap_or(0);
        (calls, said)
    }

    /// Lets each call fail in turn, or of many every `step`-th.
    fn every(&self, fault: (&str, &str, bool), step: usize) {
        let name = fault.0.rsplit('/').next().unwrap();
        let what =
            format!("full/{}-{name}-{}", self.arguments[0], if fault.2 { "on" } else { "once" });
        let (calls, said) = self.once(&Commons::new(&what), fault, 0);
        assert_eq!(said.code, Some(0), "libfiu alone makes it fail: {}", said.err);
        assert!(calls > 0, "libfiu sees no {name}");
        let expected = state(&self.undisturbed.path("site"));
        let (next, failures) = (AtomicUsize::new(1), AtomicUsize::new(0));
        let calls = usize::try_from(calls).unwrap();
        thread::scope(|scope| {
            for worker in 0..2 {
                let (next, failures, expected, what) = (&next, &failures, &expected, &what);
                scope.spawn(move || {
                    loop {
                        let n = next.fetch_add(step, Ordering::Relaxed);
                        if n > calls {
                            return;
                        }
                        let copied = Commons::new(&format!("{what}-{worker}"));
                        let (_, said) = self.once(&copied, fault, u64::try_from(n).unwrap());
                        let story = format!("{what}: call {n} of {calls} failed: {:?}", said.code);
                        assert!(said.code.is_some(), "{story}: a signal ended it");
                        assert!(!said.err.contains("bug:"), "{story}: {}", said.err);
                        failures.fetch_add(usize::from(said.code != Some(0)), Ordering::Relaxed);
                        let again = copied.run(self.arguments);
                        assert_eq!(
                            again.code,
                            Some(0),
                            "{story}\n{}\nthen {}",
                            said.err,
                            again.err
                        );
                        let found = differences(expected, &state(&copied.path("site")));
                        assert!(found.is_empty(), "{story}\n{}", found.join("\n"));
                        let left = orphans(&copied.path("site"));
                        assert!(left.is_empty(), "{story}: temporary files stay: {left:?}");
                    }
                });
            }
        });
        println!("{what}: {calls} calls, {} made the command fail", failures.into_inner());
    }
}

fn run(command: &mut Command) -> Said {
    let output = command.output().unwrap();
    Said {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

#[test]
fn whichever_write_fails_the_command_run_again_ends_in_the_same_root() {
    let Some(preload) = setting("ALMONER_TEST_PRELOAD") else { return };
    let base = Commons::new("full/base");
    people::prepare(&base, 12);

    let fund = ["pool", "fund", "diabetes-2026", "--amount", "7.00", "--sponsor", "acme"];
    let fund = [&fund[..], &["--reference", "wire-2"]].concat();
    let funded = Commons::new("full/funded");
    copy(&base.folder, &funded.folder);
    funded.ok(&fund);
    let append = Failing { base: &base, undisturbed: &funded, arguments: &fund, preload: &preload };
    for fault in FAULTS {
        append.every(fault, 1);
    }

    let ingest = people::ingest(&base);
    let ingest: Vec<&str> = ingest.iter().map(String::as_str).collect();
    let ingested = Commons::new("full/ingested");
    copy(&base.folder, &ingested.folder);
    ingested.ok(&ingest);
    let ingest =
        Failing { base: &base, undisturbed: &ingested, arguments: &ingest, preload: &preload };
    // Each run of an ingest takes a second: all of its calls in the long run alone.
    let step = if std::env::var_os("ALMONER_TEST_EVERY_CALL").is_some() { 1 } else { 9 };
    ingest.every(FAULTS[0], step);
    ingest.every(FAULTS[2], step);
}

#[test]
fn a_site_on_a_disk_that_fills_goes_on_when_there_is_room() {
    // `$0 KILOBYTES` gives the disk that size.
    let Some(resize) = setting("ALMONER_TEST_RESIZE") else { return };
    let Some(disk) = setting("ALMONER_TEST_DISK") else { return };
    let room = |kilobytes: u64| {
        let done =
            Command::new("sh").args(["-c", &resize, &kilobytes.to_string()]).status().unwrap();
        assert!(done.success(), "the disk cannot be made {kilobytes} kB large");
    };
    let acts: Vec<Vec<String>> = [
        "init",
        "pool open p --currency EUR --dataset d --base-ppm 300000 --usage-ppm 700000",
        "pool fund p --amount 1.00 --sponsor acme --reference wire-1",
        "pool fund p --amount 2.00 --sponsor acme --reference wire-2",
        "pool fund p --amount 3.00 --sponsor acme --reference wire-3",
        "audit --no-publish",
        "verify --deep",
    ]
    .map(|line| line.split(' ').map(str::to_owned).collect())
    .to_vec();
    let mut roots = Vec::new();
    let mut full = 0;
    for kilobytes in (8..=64).step_by(4) {
        let mut commons = Commons::new("full/disk");
        let site = Path::new(&disk).join("site");
        if site.exists() {
            fs::remove_dir_all(&site).unwrap();
        }
        // The keys lie elsewhere and are the same each time, so that the book is too.
        let keys = Commons::new("full/keys").path("site.keys");
        if let Some(kept) = roots.first().map(|(_, kept): &(String, PathBuf)| kept.clone()) {
            copy(&kept, &keys);
        }
        commons.elsewhere = Some(site.display().to_string());
        room(kilobytes);
        for act in &acts {
            let mut act: Vec<&str> = act.iter().map(String::as_str).collect();
            let keys = keys.display().to_string();
            act.extend(["--keys", &keys]);
            let said = commons.run(&act);
            if said.code == Some(0) {
                continue;
            }
            full += 1;
            assert!(said.err.contains("No space left"), "{kilobytes} kB: {act:?}: {}", said.err);
            assert_eq!(said.code, Some(6), "{kilobytes} kB: {act:?}: {}", said.err);
            assert!(orphans(&site).is_empty(), "{kilobytes} kB: a full disk keeps half a file");
            room(4_096);
            commons.ok(&act);
        }
        let note = fs::read_to_string(site.join("ledger/checkpoint")).unwrap();
        let root = note.lines().skip(1).take(2).collect::<Vec<_>>().join(" ");
        let kept = Commons::new(&format!("full/kept-{kilobytes}")).path("keys");
        copy(&keys, &kept);
        roots.push((root, kept));
    }
    assert!(full >= 8, "the disk was full {full} times only");
    let first = &roots[0].0;
    assert!(roots.iter().all(|(root, _)| root == first), "a full disk changed the book: {roots:?}");
    println!("full {full} times, {} sites, one root: {first}", roots.len());
}
