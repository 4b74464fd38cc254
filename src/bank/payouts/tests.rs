//! Orders and answers in any sequence: nothing is paid twice, and what does not fit changes nothing.

use proptest::prelude::*;

use super::*;
use crate::{
    bank::pain001::Version, digest::Sha3Digest, money::Currency, party::ContributorId,
    payee::Object,
};

fn pool() -> PoolId {
    PoolId::parse("p").unwrap()
}

fn payee(at: usize) -> PayeeId {
    PayeeId::Contributor(ContributorId::parse(&format!("c{at}")).unwrap())
}

fn eur(minor: i128) -> Amount {
    Amount::new(minor, Currency::parse("EUR").unwrap())
}

fn object(count: usize) -> Object {
    Object { path: "o".into(), digest: Sha3Digest([0; 32]), count: count as u64 }
}

/// Orders all that is due of settlement 7, as an export does.
fn order(payouts: &mut Payouts, owed: &[i64]) -> usize {
    let owed = owed.iter().enumerate().map(|(at, minor)| (payee(at), *minor));
    let due = payouts.due(&pool(), 7, owed);
    if due.is_empty() {
        return 0;
    }
    let commit = payouts.commit() + 1;
    let lines: Vec<ExportLine> = due
        .into_iter()
        .map(|due| ExportLine {
            settlement: due.settlement,
            end_to_end: format!("{}-{}", due.payee_number(), due.before + 1),
            payee: due.payee,
            attempt: due.before + 1,
            minor: due.minor,
            sent_minor: due.minor,
        })
        .collect();
    let total = eur(lines.iter().map(|line| i128::from(line.minor)).sum());
    let count = lines.len();
    let act = Exported {
        pool: pool(),
        period: Period::parse("2026-Q4").unwrap(),
        settlements: vec![7],
        message: commit.to_string(),
        version: Version::V09,
        date: "2027-01-04".parse().unwrap(),
        file: object(count),
        lines: object(count),
        total,
        control: total,
        rate: None,
        waiting: 0,
    };
    let time = Instant::parse("2027-01-02").unwrap();
    payouts.export(Export { commit, time, entry: String::new(), act, lines }).unwrap();
    count
}

impl Due {
    fn payee_number(&self) -> String {
        match &self.payee {
            PayeeId::Contributor(id) => id.as_str().to_owned(),
            PayeeId::Institution(id) => id.as_str().to_owned(),
        }
    }
}

/// Takes a reply as the act of settling does; returns what it came to.
fn settle(payouts: &mut Payouts, answers: Vec<Answer>) -> Judged {
    let reply = Reply { answers, ..Reply::default() };
    let judged = payouts.judge(&pool(), None, reply);
    if judged.changes.is_empty() {
        return judged;
    }
    let commit = payouts.commit() + 1;
    let answers: Vec<Applied> = judged.changes.iter().map(|(_, _, a)| a.clone()).collect();
    let act = Answered {
        pool: pool(),
        source: Sha3Digest([0; 32]),
        answers: object(answers.len()),
        booked: 0,
        booked_sum: eur(0),
        returned: 0,
        returned_sum: eur(0),
        findings: 0,
    };
    let time = Instant::parse("2027-01-05").unwrap();
    payouts.answer(commit, time, String::new(), act, answers).unwrap();
    judged
}

fn answer(id: &str, minor: i128, fate: Fate) -> Answer {
    let date = "2027-01-04".parse().unwrap();
    Answer { place: 1, end_to_end: id.to_owned(), amount: eur(minor), date, fate }
}

fn back() -> Fate {
    Fate::Returned("AC04".into())
}

#[test]
fn what_came_back_is_due_again_under_another_id_and_nothing_else_is() {
    let mut payouts = Payouts::default();
    let owed = [100, 200, 0];
    assert_eq!(order(&mut payouts, &owed), 2, "a payment of nothing was ordered");
    assert_eq!(order(&mut payouts, &owed), 0, "what is on its way was ordered again");
    settle(&mut payouts, vec![answer("c0-1", 100, Fate::Booked)]);
    settle(&mut payouts, vec![answer("c1-1", 200, back())]);
    assert_eq!(order(&mut payouts, &owed), 1);
    assert_eq!(payouts.state("c1-2"), Some(State::Ordered));
    let late = settle(&mut payouts, vec![answer("c1-1", 200, Fate::Booked)]);
    assert_eq!((late.known, late.changes.len()), (1, 0), "a late booking undid a return");
    assert_eq!(payouts.state("c1-1"), Some(State::Returned));
}

#[test]
fn what_does_not_fit_an_order_is_a_finding_and_changes_nothing() {
    let mut payouts = Payouts::default();
    order(&mut payouts, &[100, 200]);
    let yen = Amount::new(100, Currency::parse("JPY").unwrap());
    let foreign = Answer { amount: yen, ..answer("c0-1", 100, Fate::Booked) };
    let judged = settle(
        &mut payouts,
        vec![
            answer("nobody", 100, Fate::Booked),
            answer("nobody", 100, Fate::Credited),
            answer("c0-1", 101, Fate::Booked),
            foreign,
            answer("c0-1", 100, Fate::Credited),
            answer("c1-1", 200, Fate::Booked),
            answer("c1-1", 200, Fate::Booked),
        ],
    );
    let faults: BTreeSet<String> =
        judged.findings.iter().map(|f| format!("{:?}", f.fault)).collect();
    let expected = ["Amount", "Credit", "Currency", "Twice", "Unknown"].map(str::to_owned);
    assert_eq!(faults, expected.into());
    assert_eq!((judged.changes.len(), judged.other), (1, 1));
    assert_eq!(payouts.state("c0-1"), Some(State::Ordered));
    let period = Period::parse("2026-Q3").unwrap();
    let answers = vec![answer("c0-1", 100, Fate::Booked)];
    let other = payouts.judge(&pool(), Some(&period), Reply { answers, ..Reply::default() });
    assert_eq!(other.findings.first().map(|f| f.fault), Some(Fault::Period));
}

#[test]
fn a_commit_that_pays_twice_is_refused_when_it_is_read() {
    let mut payouts = Payouts::default();
    order(&mut payouts, &[100]);
    let again = Export { commit: 2, ..payouts.exports[0].clone() };
    let refused = payouts.export(again).unwrap_err();
    assert!(matches!(refused, PayoutsError::Order { commit: 2, .. }), "money would go twice");
}

#[derive(Debug, Clone)]
enum Step {
    Order,
    Tell { payee: usize, attempt: u32, fates: Vec<bool>, wrong: bool },
}

fn step() -> impl Strategy<Value = Step> {
    let told = (0..4_usize, 1..4_u32, prop::collection::vec(any::<bool>(), 1..4), any::<bool>());
    prop_oneof![
        1 => Just(Step::Order),
        4 => told.prop_map(|(payee, attempt, fates, wrong)| Step::Tell {
            payee, attempt, fates, wrong
        }),
    ]
}

proptest! {
    #[test]
    fn no_order_of_answers_books_more_than_is_owed(
        owed in prop::collection::vec(0..1000_i64, 4),
        steps in prop::collection::vec(step(), 0..40),
    ) {
        let mut payouts = Payouts::default();
        for step in steps {
            match step {
                Step::Order => { order(&mut payouts, &owed); }
                Step::Tell { payee, attempt, fates, wrong } => {
                    let id = format!("c{payee}-{attempt}");
                    let minor = i128::from(owed[payee]) + i128::from(wrong);
                    let answers = fates.iter().map(|returned| {
                        answer(&id, minor, if *returned { back() } else { Fate::Booked })
                    });
                    settle(&mut payouts, answers.collect());
                }
            }
            for (at, owed) in owed.iter().enumerate() {
                // Each payment as its answers alone tell it, replays and all.
                let own: Vec<_> = payouts.answers.iter().flat_map(|a| &a.changes)
                    .filter(|(line, ..)| line.payee == self::payee(at)).collect();
                let sum = |returned: bool| -> i64 {
                    let of = |a: &&&(ExportLine, State, Applied)| a.2.returned.is_some() == returned;
                    own.iter().filter(of).map(|(line, ..)| line.minor).sum()
                };
                prop_assert!(sum(false) - sum(true) <= *owed, "more arrived than was owed");
                let open = payouts.states.values().filter(|(export, line, state)| {
                    *state != State::Returned
                        && payouts.exports[*export].lines[*line].payee == self::payee(at)
                }).count();
                prop_assert!(open <= 1, "two payments of one debt are on their way");
            }
        }
        let known = payouts.commit();
        for settling in payouts.answers.clone() {
            let replay = settling.changes.iter().map(|(line, _, applied)| {
                let fate = if applied.returned.is_some() { back() } else { Fate::Booked };
                answer(&line.end_to_end, i128::from(line.sent_minor), fate)
            });
            settle(&mut payouts, replay.collect());
        }
        prop_assert_eq!(payouts.commit(), known, "a replayed file changed something");
    }
}
