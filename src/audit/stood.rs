//! The register of consents as an auditor reads it, and who stood for what: a second, small reading
//! of the rule, one person and one use at a time.

use std::collections::{BTreeMap, BTreeSet};

use arrow::{
    array::{Array as _, AsArray as _, RecordBatch},
    datatypes::{Date32Type, TimestampMicrosecondType},
};

use super::{
    Audit, Check, Evidence,
    commits::Commits,
    shape::ConsentCommit,
    table::{count, ints, leaf_hash, parquet, root, texts},
};
use crate::{
    digest::hmac_sha3_parts,
    instant::{Date, Instant},
    purpose::{Purpose, covers, keeps_conditions},
    store,
};

/// What a decision does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Grant,
    Withdraw,
    OptOut,
    OptIn,
}

impl Act {
    const ALL: [(Self, &'static str); 4] = [
        (Self::Grant, "grant"),
        (Self::Withdraw, "withdraw"),
        (Self::OptOut, "opt-out"),
        (Self::OptIn, "opt-in"),
    ];
}

/// One decision of one person.
#[derive(Debug, Clone)]
struct Decision {
    seq: i64,
    act: Act,
    purposes: [String; 3],
    from: i32,
    until: Option<i32>,
    decided: i64,
    recorded: i64,
    commit: u64,
}

/// Everyone's decisions and keys.
#[derive(Debug, Default)]
pub(super) struct Register {
    people: BTreeMap<String, Vec<Decision>>,
    keys: BTreeMap<String, [u8; 32]>,
}

/// A use that is judged: purposes at an institution for a category, on a day, by what was known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Use<'a> {
    /// The day of the use.
    pub(super) day: Date,
    pub(super) purposes: &'a [Purpose],
    pub(super) institution: &'a str,
    pub(super) category: &'a str,
    pub(super) time: Instant,
    pub(super) commit: u64,
}

/// Reads the register, and works out the root of each of its commits.
pub(super) fn register(
    evidence: &Evidence,
    audit: &mut Audit,
    commits: &Commits,
) -> Result<Register, store::Error> {
    let mut register = Register::default();
    let mut next = 1_i64;
    for commit in &commits.consents {
        let ConsentCommit { contributors, events, .. } = &commit.body;
        let vault = &evidence.vault;
        if let Some(object) = contributors {
            let batches = parquet(audit, vault, "vault", &object.path, &object.digest)?;
            let name = format!("vault/{}", object.path);
            if let Some(batches) = batches {
                let rows: u64 = batches.iter().map(rows).sum();
                audit.check(
                    Check::Object,
                    &name,
                    rows == object.count,
                    "its rows were counted otherwise",
                );
                let erased = &commits.erased;
                let (batches, _) = erased.standing(audit, &name, &object.digest, batches);
                let good = batches.iter().try_for_each(|batch| register.learn(batch));
                audit.check(
                    Check::Decisions,
                    &name,
                    good.is_some(),
                    "it names a person twice or without a key",
                );
            }
        }
        let batches = parquet(audit, vault, "vault", &events.path, &events.digest)?;
        let Some(batches) = batches else { continue };
        let name = format!("vault/{}", events.path);
        let found: u64 = batches.iter().map(rows).sum();
        audit.check(Check::Object, &name, found == events.count, "its rows were counted otherwise");
        let (batches, gone) = commits.erased.standing(audit, &name, &events.digest, batches);
        let read: Option<Vec<(String, Decision)>> = batches
            .iter()
            .map(|batch| decisions(batch, commit.number))
            .collect::<Option<Vec<_>>>()
            .map(|all| all.into_iter().flatten().collect());
        let Some(read) = read else {
            audit.check(Check::Decisions, &name, false, "it holds what is no decision");
            continue;
        };
        let gives = |decision: &Decision| matches!(decision.act, Act::Grant | Act::OptIn);
        let grants = count(&read.iter().filter(|(_, d)| gives(d)).collect::<Vec<_>>());
        // A batch is of one kind, and so are the decisions of it that nobody can read any more.
        let grants =
            if commit.body.grants == 0 { grants } else { grants.saturating_add(gone.rows) };
        let sums = grants == commit.body.grants
            && found.checked_sub(grants) == Some(commit.body.withdrawals);
        audit.check(
            Check::Decisions,
            &commit.path,
            sums,
            "its grants or withdrawals are counted otherwise",
        );
        let one_kind = commit.body.grants == 0 || commit.body.withdrawals == 0;
        audit.check(
            Check::Decisions,
            &commit.path,
            one_kind,
            "it holds both grants and withdrawals",
        );
        let mut numbers: Vec<i64> = read.iter().map(|(_, d)| d.seq).chain(gone.numbers).collect();
        if gone.rows > 0 {
            numbers.sort_unstable();
        }
        let numbered =
            count(&numbers) == found && numbers.iter().zip(next..).all(|(n, seq)| *n == seq);
        audit.check(Check::Decisions, &name, numbered, "its decisions are not numbered on");
        next = next.saturating_add(i64::try_from(found).unwrap_or(i64::MAX));
        let dated = read.iter().all(|(_, d)| d.recorded == commit.body.time.unix());
        audit.check(
            Check::Decisions,
            &name,
            dated,
            "it was recorded at another time than its commit",
        );
        let leaves: Option<Vec<[u8; 32]>> =
            read.iter().map(|(id, d)| Some(d.commitment(id, register.keys.get(id)?))).collect();
        let good = leaves.is_some_and(|mut leaves| {
            leaves.extend(gone.leaves);
            leaves.sort_unstable();
            root(&leaves.iter().map(|leaf| leaf_hash(leaf)).collect::<Vec<_>>()) == commit.body.root
        });
        audit.check(Check::Decisions, &commit.path, good, "its root is not that of its decisions");
        let whole = gone.rows == 0;
        purposes(audit, commit.entry.as_ref(), &commit.path, &read, whole);
        for (id, decision) in read {
            register.people.entry(id).or_default().push(decision);
        }
    }
    Ok(register)
}

/// The entry of a batch of grants names all their purposes.
fn purposes(
    audit: &mut Audit,
    entry: Option<&crate::ledger::Entry>,
    path: &str,
    read: &[(String, Decision)],
    whole: bool,
) {
    let Some(said) = entry.and_then(|entry| entry.body().get("purposes")) else { return };
    let own: BTreeSet<&str> =
        read.iter().flat_map(|(_, d)| d.items(0).unwrap_or_default()).collect();
    let said: BTreeSet<&str> =
        said.as_array().into_iter().flatten().filter_map(serde_json::Value::as_str).collect();
    let good = if whole { said == own } else { said.is_superset(&own) };
    audit.check(Check::Agrees, path, good, "its entry says otherwise in `purposes`");
}

fn rows(batch: &RecordBatch) -> u64 {
    u64::try_from(batch.num_rows()).unwrap_or(u64::MAX)
}

fn decisions(batch: &RecordBatch, commit: u64) -> Option<Vec<(String, Decision)>> {
    let text = |name| texts(batch, name);
    let (seq, person, action) = (ints(batch, "seq")?, text("contributor")?, text("action")?);
    let lists = [text("purposes")?, text("institutions")?, text("categories")?];
    let days = |name| batch.column_by_name(name)?.as_primitive_opt::<Date32Type>();
    let (from, until) = (days("valid_from")?, days("valid_until")?);
    let at = |name| batch.column_by_name(name)?.as_primitive_opt::<TimestampMicrosecondType>();
    let (decided, recorded) = (at("decided_at")?, at("recorded_at")?);
    if from.null_count() + decided.null_count() + recorded.null_count() > 0 {
        return None;
    }
    let seconds = |micros: i64| micros.div_euclid(1_000_000);
    (0..batch.num_rows())
        .map(|row| {
            let named = |(_, name): &&(Act, &str)| *name == action.value(row);
            let (act, _) = *Act::ALL.iter().find(named)?;
            let decision = Decision {
                seq: seq.value(row),
                act,
                purposes: lists.map(|list| list.value(row).to_owned()),
                from: from.value(row),
                until: until.is_valid(row).then(|| until.value(row)),
                decided: seconds(decided.value(row)),
                recorded: seconds(recorded.value(row)),
                commit,
            };
            Some((person.value(row).to_owned(), decision))
        })
        .collect()
}

impl Decision {
    /// Returns one of the three lists; `None` stands for all.
    fn items(&self, list: usize) -> Option<Vec<&str>> {
        let text = self.purposes.get(list).map_or("", String::as_str);
        (text != "*").then(|| text.split('|').collect())
    }

    fn names(&self, list: usize, item: &str) -> bool {
        self.items(list).is_none_or(|items| items.contains(&item))
    }

    fn terms(&self) -> Option<Vec<Purpose>> {
        let items = self.items(0)?;
        // What is no purpose is kept out of grants and touches everything in withdrawals.
        items.into_iter().map(|item| Purpose::parse(item).ok()).collect()
    }

    /// What the register's root commits to for this decision.
    fn commitment(&self, id: &str, key: &[u8; 32]) -> [u8; 32] {
        let [purposes, institutions, categories] = &self.purposes;
        let until = self.until.map(i32::to_be_bytes);
        let action = Act::ALL.iter().find(|(act, _)| *act == self.act).map_or("", |(_, name)| name);
        hmac_sha3_parts(
            key,
            &[
                b"almoner/consent-event/v1",
                &self.seq.to_be_bytes(),
                id.as_bytes(),
                action.as_bytes(),
                purposes.as_bytes(),
                institutions.as_bytes(),
                categories.as_bytes(),
                &self.from.to_be_bytes(),
                until.as_ref().map_or(&[], |bytes| bytes.as_slice()),
                &self.decided.to_be_bytes(),
            ],
        )
    }

    fn is_known(&self, asked: &Use<'_>) -> bool {
        let time = asked.time.unix();
        self.commit <= asked.commit && self.decided <= time && self.recorded <= time
    }

    fn reaches(&self, asked: &Use<'_>) -> bool {
        self.names(1, asked.institution) && self.names(2, asked.category)
    }

    /// Says whether a withdrawal takes back the use of a permission.
    fn takes_back(&self, asked: &Use<'_>, permission: &Purpose, day: i32) -> bool {
        let touches = self.terms().is_none_or(|taken| {
            taken.iter().any(|taken| {
                !taken.is_permission()
                    || covers(taken, permission)
                    || covers(permission, taken)
                    || taken == permission
            })
        });
        self.act == Act::Withdraw && self.from <= day && self.reaches(asked) && touches
    }

    /// Says whether a grant permits the use of a permission, but for withdrawals.
    fn gives(&self, asked: &Use<'_>, permission: &Purpose, day: i32) -> bool {
        self.act == Act::Grant
            && self.from <= day
            && self.until.is_none_or(|until| day < until)
            && self.reaches(asked)
            && self.terms().is_some_and(|terms| {
                terms.iter().any(|granted| covers(granted, permission))
                    && keeps_conditions(&terms, asked.purposes)
            })
    }
}

impl Register {
    fn learn(&mut self, batch: &RecordBatch) -> Option<()> {
        let ids = texts(batch, "contributor")?;
        let keys = batch.column_by_name("key")?.as_fixed_size_binary_opt()?;
        for (row, id) in ids.iter().enumerate() {
            let key = keys.is_valid(row).then(|| keys.value(row))?;
            let key: [u8; 32] = key.try_into().ok()?;
            if self.keys.insert(id?.to_owned(), key).is_some() {
                return None;
            }
        }
        Some(())
    }

    /// Returns a person's key.
    pub(super) fn key(&self, id: &str) -> Option<&[u8; 32]> {
        self.keys.get(id)
    }

    /// Says whether a person had consented to a use: for every permission that it asks for, a grant
    /// in force that was decided after every withdrawal in force; and the last opt-out in force, if
    /// there is one, was followed by an opt-in.
    pub(super) fn stood(&self, id: &str, asked: &Use<'_>) -> bool {
        let Some(own) = self.people.get(id) else { return false };
        let day = Instant::midnight(asked.day).unix().div_euclid(86_400);
        let day = i32::try_from(day).unwrap_or(i32::MAX);
        let known: Vec<&Decision> = own.iter().filter(|d| d.is_known(asked)).collect();
        let last = |act: Act| {
            let own = known.iter().filter(|d| d.act == act && d.from <= day);
            own.map(|d| d.decided).max()
        };
        if last(Act::OptOut).is_some_and(|out| last(Act::OptIn).is_none_or(|back| back <= out)) {
            return false;
        }
        let mut permissions = asked.purposes.iter().filter(|p| !p.is_modifier()).peekable();
        permissions.peek().is_some()
            && permissions.all(|permission| {
                let taken = known.iter().filter(|d| d.takes_back(asked, permission, day));
                let last = taken.map(|d| d.decided).max();
                known.iter().any(|d| {
                    d.gives(asked, permission, day) && last.is_none_or(|last| d.decided > last)
                })
            })
    }

    /// Every category that any decision of a person names, and one that none does.
    pub(super) fn categories(&self, id: &str) -> Vec<&str> {
        let own = self.people.get(id).into_iter().flatten();
        let mut all: Vec<&str> = own.filter_map(|d| d.items(2)).flatten().chain(["\0"]).collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decision(act: Act, purposes: &str, institutions: &str, from: i32, decided: i64) -> Decision {
        Decision {
            seq: 1,
            act,
            purposes: [purposes.into(), institutions.into(), "*".into()],
            from,
            until: None,
            decided,
            recorded: decided,
            commit: 1,
        }
    }

    fn stood(decisions: &[Decision], institution: &str, day: i64) -> bool {
        let mut register = Register::default();
        register.people.insert("p".into(), decisions.to_vec());
        let purposes = [Purpose::parse("DUO:0000006").unwrap()];
        let time = Instant::from_unix(day * 86_400).unwrap();
        let category = "visits";
        let asked =
            Use { day: time.date(), purposes: &purposes, institution, category, time, commit: 1 };
        register.stood("p", &asked)
    }

    #[test]
    fn a_person_stands_by_a_grant_until_a_withdrawal_and_again_by_a_later_grant() {
        let mut all = vec![decision(Act::Grant, "DUO:0000042", "*", 10, 0)];
        assert!(!stood(&all, "north", 9), "a grant held before its first day");
        assert!(stood(&all, "north", 10));
        all.push(decision(Act::Withdraw, "DUO:0000006", "north", 20, 20 * 86_400));
        assert!(!stood(&all, "north", 20), "a withdrawn person would be paid for as if released");
        assert!(stood(&all, "south", 20));
        all.push(decision(Act::Grant, "DUO:0000006", "*", 21, 21 * 86_400));
        assert!(stood(&all, "north", 21));
        assert!(!stood(&[], "north", 21));
        all.push(decision(Act::OptOut, "*", "*", 22, 22 * 86_400));
        all.push(decision(Act::Grant, "DUO:0000006", "*", 23, 23 * 86_400));
        assert!(stood(&all, "north", 21) && !stood(&all, "north", 23), "an opt-out was overruled");
        all.push(decision(Act::OptIn, "*", "*", 24, 24 * 86_400));
        assert!(stood(&all, "north", 24));
    }
}
