//! Clocks that lie by ten years: the command's own (`--now`) and, where `faketime` is installed, the
//! system's. What comes later in the book comes later, whatever either says.

use std::process::Command;

use super::commons::Commons;

/// Ten years on, ten back, and today, in the order in which they are told.
const CLOCKS: [&str; 4] = ["2026-11-22", "2036-11-22", "2016-11-22", "2026-11-23"];

/// Makes a site and pays into a pool, each act by another clock, then looks at all of it.
fn lives(name: &str, mut act: impl FnMut(&Commons, &str, &[&str])) {
    let commons = Commons::new(name);
    let site = commons.path("site").display().to_string();
    act(&commons, CLOCKS[0], &["init", &site]);
    let open = ["pool", "open", "clocks", "--currency", "EUR", "--dataset", "diabetes"];
    act(&commons, CLOCKS[1], &open);
    for (clock, reference) in [(CLOCKS[2], "wire-1"), (CLOCKS[3], "wire-2"), (CLOCKS[1], "wire-3")]
    {
        let fund = ["pool", "fund", "clocks", "--amount", "5.00", "--sponsor", "acme"];
        act(&commons, clock, &[&fund[..], &["--reference", reference]].concat());
    }
    // The same payment once more by another clock is the same payment.
    let again = ["pool", "fund", "clocks", "--amount", "5.00", "--sponsor", "acme"];
    act(&commons, CLOCKS[1], &[&again[..], &["--reference", "wire-1"]].concat());
    let shown = commons.ok(&["ledger", "show", "--format", "csv"]);
    assert_eq!(shown.out.lines().count(), 1 + 5, "an act is lost or there twice:\n{}", shown.out);
    commons.ok(&["verify", "--deep"]);
    commons.ok(&["audit", "--no-publish", "--now", "2036-12-01"]);
}

#[test]
fn acts_by_clocks_ten_years_apart_stand_in_the_order_in_which_they_came() {
    lives("clocks/told", |commons, clock, arguments| {
        commons.ok(&[arguments, &["--now", clock]].concat());
    });
}

#[test]
fn a_system_clock_ten_years_off_changes_no_order() {
    if Command::new("faketime").arg("--version").output().is_err() {
        println!("SKIPPED: faketime is not installed");
        return;
    }
    lives("clocks/faked", |commons, clock, arguments| {
        let told = commons.command(arguments);
        let mut faked = Command::new("faketime");
        faked.arg(clock).arg(told.get_program()).args(told.get_args());
        faked.current_dir(env!("CARGO_MANIFEST_DIR"));
        for (name, value) in told.get_envs() {
            match value {
                Some(value) => faked.env(name, value),
                None => faked.env_remove(name),
            };
        }
        let output = faked.env_remove("ALMONER_NOW").output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "almoner {arguments:?} at {clock}: {said}");
    });
}
