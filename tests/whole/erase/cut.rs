//! An erasure that is killed, and one that meets a decision of the person: both end when they are run again.

use std::{
    fs,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::{
    is_gone,
    site::{LATER, lived},
};
use crate::{
    commons::{Commons, files},
    kill::{Dice, seed},
};

/// How many times an erasure is killed.
const KILLS: usize = 6;

fn begun(commons: &Commons, arguments: &[&str]) -> Child {
    let mut command = commons.command(arguments);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn an_erasure_that_is_killed_ends_when_it_is_run_again() {
    let lived = lived();
    let mut dice = Dice::new(seed());
    let trial = lived.copied("killed-trial");
    let began = Instant::now();
    trial.ok(&lived.erase());
    let span = began.elapsed();
    let (mut kills, mut late) = (0, 0);
    while kills < KILLS {
        assert!(late < 6 * KILLS, "the command ends before it can be killed");
        let commons = lived.copied("killed");
        let moment = span / 8 + dice.moment(span * 7 / 8);
        let mut child = begun(&commons, &lived.erase());
        thread::sleep(moment);
        if child.try_wait().unwrap().is_some() {
            late += 1;
            continue;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
        // Whoever erases next finishes it: here with nobody new, there with the same person.
        let resume = ["--now", LATER, "erase", "--resume"];
        if kills % 2 == 0 {
            commons.ok(&resume);
        }
        let again = commons.run(&lived.erase());
        assert_eq!(again.code, Some(0), "killed after {moment:?}: {}", again.err);
        let nothing = commons.ok(&resume).out;
        assert!(nothing.contains("nothing was cut off"), "it is never at its end: {nothing}");
        let made = files(&commons.path("site/vault/erasures/commits")).len();
        assert_eq!(made, 1, "killed after {moment:?}: one erasure stands in the book {made} times");
        assert!(files(&commons.path("site/vault/erasures/staged")).is_empty(), "it left rows");
        is_gone(&commons, lived, "after");
    }
    println!("kill: erase: seed {}, {kills} kills, {late} came too late", seed());
}

fn signal(child: &Child, name: &str) {
    let id = child.id().to_string();
    assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
}

#[test]
fn a_decision_of_the_person_amid_an_erasure_is_a_conflict_until_it_is_finished() {
    let lived = lived();
    for _ in 0..20 {
        let commons = lived.copied("raced");
        let old = files(&commons.path("site/vault/payees/objects")).pop().unwrap();
        let decision = format!(
            "contributor,action,purposes,institutions,categories,valid_from,valid_until,decided_at\n\
             {},withdraw,,,,,,2027-01-01T00:00:00Z\n",
            lived.person
        );
        fs::write(commons.path("decision.csv"), decision).unwrap();
        let file = commons.path("decision.csv").display().to_string();
        let import = ["--now", LATER, "consent", "import", &file];
        let mut child = begun(&commons, &lived.erase());
        // The entry stands and old objects are being deleted: what came now would be in no plan.
        while old.exists() && child.try_wait().unwrap().is_none() {
            thread::sleep(Duration::from_micros(200));
        }
        if child.try_wait().unwrap().is_some() {
            continue;
        }
        signal(&child, "-STOP");
        // It waits until it has the site, which the erasure has to itself.
        let mut waiting = begun(&commons, &import);
        thread::sleep(Duration::from_millis(100));
        child.kill().unwrap();
        child.wait().unwrap();
        let amid = waiting.wait().unwrap();
        let cut = commons.path("site/vault/erasures/pending.json").exists();
        if !cut {
            continue;
        }
        assert_eq!(amid.code(), Some(5), "it was written amid an erasure");
        let said = commons.run(&import);
        assert_eq!(said.code, Some(5), "it was written of somebody half erased: {}", said.err);
        assert!(said.err.contains("erase --resume"), "no hint what to do: {}", said.err);
        // What the import had put down by then is in no plan: the erasure says so, and takes it next time.
        let resume = ["--now", LATER, "erase", "--resume"];
        let raced = commons.run(&resume);
        assert_eq!(raced.code, Some(5), "rows that came meanwhile are left: {}", raced.err);
        assert!(raced.err.contains("run the command again"), "no hint what to do: {}", raced.err);
        commons.ok(&resume);
        is_gone(&commons, lived, "after");
        return;
    }
    panic!("no decision came amid an erasure");
}
