//! `kill -9` at random moments of `ingest` and `settle`: the command, run again, ends where an
//! undisturbed run ends. Nothing is lost, nothing is there twice.
//!
//! The moments come from a seed, which is printed; `ALMONER_KILL_SEED` chooses another.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use super::{
    commons::{Commons, files},
    people, plain,
};

/// How many times a running command is killed, for each of the two heavy acts.
const KILLS: usize = 55;

/// How many times each of the two light acts is killed; 500 kills in all.
const LIGHT_KILLS: usize = 195;

/// `SplitMix64`: the same moments for the same seed.
pub(crate) struct Dice(u64);

impl Dice {
    /// Begins at a seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a moment below `span`.
    pub(crate) fn moment(&mut self, span: Duration) -> Duration {
        let micros = u64::try_from(span.as_micros()).unwrap().max(1);
        Duration::from_micros(self.roll() % micros)
    }
}

pub(crate) fn seed() -> u64 {
    let chosen = std::env::var_os("ALMONER_KILL_SEED");
    chosen.and_then(|s| s.to_str()?.parse().ok()).unwrap_or(20_261_122)
}

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    fs::set_permissions(to, fs::metadata(from).unwrap().permissions()).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, name) = entry.map(|e| (e.path(), e.file_name())).unwrap();
        if path.is_dir() {
            copy(&path, &to.join(name));
        } else {
            fs::copy(&path, to.join(name)).unwrap();
        }
    }
}

/// What must be the same: the whole ledger byte for byte, the segments, and the private objects
/// that are named by their content. Numbered commits hold a random id, so only their names count.
pub(crate) fn state(site: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut state = BTreeMap::new();
    for zone in ["ledger", "lake", "vault/pools", "vault/rosters", "vault/usage", "vault/consent"] {
        for file in files(&site.join(zone)) {
            let name = file.strip_prefix(site).unwrap().display().to_string();
            let numbered = name.contains("/commits/") && !name.starts_with("ledger/");
            state.insert(name, if numbered { Vec::new() } else { plain::read(&file).unwrap() });
        }
    }
    state
}

/// Says where two states part; the bytes themselves are of no use to a reader.
pub(crate) fn differences(
    left: &BTreeMap<String, Vec<u8>>,
    right: &BTreeMap<String, Vec<u8>>,
) -> Vec<String> {
    let mut found = Vec::new();
    for (name, bytes) in left {
        match right.get(name) {
            None => found.push(format!("{name} is lost")),
            Some(other) if other != bytes => found.push(format!("{name} differs")),
            Some(_) => {}
        }
    }
    found.extend(right.keys().filter(|n| !left.contains_key(*n)).map(|n| format!("{n} is new")));
    found
}

/// Kills `arguments` again and again on copies of `base`, and compares each copy, once the command
/// has been run again, with `undisturbed`.
pub(crate) fn kill_and_run_again(
    base: &Commons,
    name: &str,
    arguments: &[&str],
    undisturbed: &Commons,
    kills_wanted: usize,
) {
    let expected = state(&undisturbed.path("site"));
    let seed = seed();
    println!("kill: {name}: seed {seed}");
    let mut dice = Dice::new(seed);

    // How long the command runs, so that the moments spread over all of it.
    let trial = Commons::new(&format!("kill/{name}-trial"));
    copy(&base.folder, &trial.folder);
    let began = Instant::now();
    trial.ok(arguments);
    let span = began.elapsed() + Duration::from_millis(2);

    let (mut kills, mut late) = (0, 0);
    while kills < kills_wanted {
        assert!(late < 4 * kills_wanted, "{name}: the command ends before it can be killed");
        let copied = Commons::new(&format!("kill/{name}"));
        copy(&base.folder, &copied.folder);
        // One round in four is killed a second time, while it mends what the first kill left.
        let times = if dice.roll().is_multiple_of(4) { 2 } else { 1 };
        let mut moments = Vec::new();
        for _ in 0..times {
            let moment = dice.moment(span);
            moments.push(moment);
            let mut child = copied
                .command(arguments)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            thread::sleep(moment);
            let hit = child.try_wait().unwrap().is_none();
            child.kill().unwrap();
            child.wait().unwrap();
            if hit {
                kills += 1;
            } else {
                late += 1;
            }
        }
        let said = copied.run(arguments);
        let story = format!("{name}: seed {seed}, kill {kills}, killed after {moments:?}");
        assert_eq!(said.code, Some(0), "{story}: it could not be run again:\n{}", said.err);
        let found = differences(&expected, &state(&copied.path("site")));
        assert!(found.is_empty(), "{story}:\n{}", found.join("\n"));
    }
    println!("kill: {name}: {kills} kills, {late} came too late; {} objects agree", expected.len());
}

#[test]
fn a_killed_command_run_again_ends_in_the_same_root() {
    let base = Commons::new("kill/base");
    people::prepare(&base, 60);

    let ingest = people::ingest(&base);
    let ingest: Vec<&str> = ingest.iter().map(String::as_str).collect();
    let ingested = Commons::new("kill/ingested");
    copy(&base.folder, &ingested.folder);
    ingested.ok(&ingest);
    kill_and_run_again(&base, "ingest", &ingest, &ingested, KILLS);

    people::ask(&ingested);
    let settle =
        ["--now", "2027-01-02T00:00:00Z", "settle", "diabetes-2026", "--period", "2026-Q4"];
    let settled = Commons::new("kill/settled");
    copy(&ingested.folder, &settled.folder);
    settled.ok(&settle);
    kill_and_run_again(&ingested, "settle", &settle, &settled, KILLS);

    let before = state(&settled.path("site"));
    settled.ok(&settle);
    let found = differences(&before, &state(&settled.path("site")));
    assert!(found.is_empty(), "settling twice did more than settling once: {found:?}");
}

#[test]
fn a_killed_payment_or_pool_is_there_once_when_it_is_run_again() {
    let base = Commons::new("kill/light");
    base.ok(&["init", base.path("site").to_str().unwrap()]);
    let open = ["pool", "open", "light", "--currency", "EUR", "--dataset", "diabetes"];
    let fund = ["pool", "fund", "light", "--amount", "10.00", "--sponsor", "acme"];
    let fund = [&fund[..], &["--reference", "wire-1"]].concat();
    let opened = Commons::new("kill/light-opened");
    copy(&base.folder, &opened.folder);
    opened.ok(&open);
    kill_and_run_again(&base, "pool-open", &open, &opened, LIGHT_KILLS);
    let funded = Commons::new("kill/light-funded");
    copy(&opened.folder, &funded.folder);
    funded.ok(&fund);
    kill_and_run_again(&opened, "pool-fund", &fund, &funded, LIGHT_KILLS);
}
