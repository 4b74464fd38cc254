//! The figures of a sponsor's audit, reckoned from what the acts recorded: the lines of the federal
//! financial report SF-425, the roll-forwards, the shares.
//!
//! Comes in: [`PoolFacts`]. Goes out: [`SponsorAudit`]. Never: a float, a sum that wraps, or a line
//! made to fit: what does not add up is shown with its difference, and is an exception.

#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

use std::collections::BTreeMap;

use super::{
    AccountFacts, Concentration, Days, Disbursed, Excluded, Federal, FederalLine, Indirect, Money,
    OverrideFacts, OwedLine, Part, PoolFacts, PurposeShare, RollLine, SettlementFacts,
    SponsorAudit, SponsorReader, TooLarge, Waterfall, exceptions, exceptions::Restricted,
    institutions, reconciliation,
};
use crate::{instant::Instant, money::Currency, purpose::Purpose, reward::apportion};

impl SponsorAudit {
    /// Reckons the audit for a reader.
    pub fn of(facts: PoolFacts, reader: SponsorReader) -> Result<Self, TooLarge> {
        let within: Vec<&SettlementFacts> = facts.held(Days::hold);
        let private = reader == SponsorReader::Sponsor;
        let federal = federal(&facts)?;
        let waterfall = waterfall(&facts, &federal)?;
        let roll = within.iter().map(|s| roll(s, facts.currency)).collect::<Result<Vec<_>, _>>()?;
        let shown = Shown::of(&facts.ended(), private);
        let owed = within.iter().map(|s| owed(s, facts.currency, shown));
        let owed = owed.collect::<Result<Vec<_>, _>>()?;
        let unobligated = unobligated(&facts)?;
        let unliquidated = unliquidated(&facts, &federal, shown)?;
        let reconciliation =
            reconciliation::reconcile(&facts, &federal, &unobligated, &unliquidated)?;
        let restricted = Restricted::of(&facts.purposes, &within);
        let self_dealing = exceptions::self_dealing(&facts, &within)?;
        let excluded = within.iter().fold(Excluded::default(), |sum, s| sum.plus(s.excluded));
        let sum = |part: fn(&SettlementFacts) -> Result<Money, TooLarge>| {
            let parts = within.iter().map(|s| part(s)).collect::<Result<Vec<_>, _>>()?;
            Money::sum(facts.currency, parts)
        };
        let mut audit = Self {
            format: 1,
            reader,
            sponsors: if private { sponsors(&facts)? } else { Vec::new() },
            layers: layers(&facts, &within)?,
            by_purpose: by_purpose(&within, facts.currency)?,
            by_institution: if private {
                institutions::shares(&within, facts.currency)?
            } else {
                Vec::new()
            },
            people: private.then(|| Concentration::of_people(&paid_to(&within))),
            institutions: private.then(|| institutions::concentration(&within)).flatten(),
            self_dealing: if private { self_dealing } else { Vec::new() },
            excluded,
            tax: if shown.tax { Some(sum(|s| Money::of(s.tax))?) } else { None },
            held: shown.held.then(|| {
                let last = facts.ended().last().map(|s| Money::from(s.held));
                last.unwrap_or_else(|| Money::zero(facts.currency))
            }),
            adjusted: if shown.adjusted { Some(sum(|s| Ok(s.adjusted.into()))?) } else { None },
            commands: commands(&facts.pool, facts.days),
            exceptions: Vec::new(),
            federal,
            unobligated,
            unliquidated,
            waterfall,
            roll,
            owed,
            restricted,
            overrides: facts.overrides_for(private),
            pool: facts.pool,
            origin: facts.origin,
            time: facts.time,
            days: facts.days,
            currency: facts.currency,
            datasets: facts.datasets,
            rules: facts.rules,
            reconciliation,
            checks: facts.checks,
            entries: facts.entries,
            checkpoint: facts.checkpoint,
            sample: facts.sample.filter(|_| private),
        };
        audit.exceptions = exceptions::exceptions(&audit, &facts.findings)?;
        Ok(audit)
    }

    /// Returns a line of SF-425 by its number.
    pub fn line(&self, number: &str) -> Option<&FederalLine> {
        self.federal.lines.iter().find(|line| line.line == number)
    }
}

impl PoolFacts {
    pub(super) fn held(&self, holds: impl Fn(&Days, Instant) -> bool) -> Vec<&SettlementFacts> {
        self.settlements.iter().filter(|s| holds(&self.days, s.time)).collect()
    }

    /// Returns what was settled until the end of the days that are told of.
    pub(super) fn ended(&self) -> Vec<&SettlementFacts> {
        self.held(|days, time| days.after(time) || days.hold(time))
    }

    fn overrides_for(&self, private: bool) -> Vec<OverrideFacts> {
        let within = self.overrides.iter().filter(|o| self.days.hold(o.time)).cloned();
        if private {
            return within.collect();
        }
        let bare = |o: OverrideFacts| OverrideFacts {
            what: o.kind.clone(),
            reason: String::new(),
            approver: String::new(),
            ..o
        };
        within.map(bare).collect()
    }
}

impl Excluded {
    fn plus(self, other: Self) -> Self {
        Self {
            repeats: self.repeats.saturating_add(other.repeats),
            other_purpose: self.other_purpose.saturating_add(other.other_purpose),
            overridden: self.overridden.saturating_add(other.overridden),
            contributors: self.contributors.plus(other.contributors),
        }
    }
}

/// The sums that the lines of SF-425 are made of.
struct Sums {
    received: Money,
    disbursed: Money,
    fee: Money,
    base: Money,
    earned: Money,
    platform: Money,
}

impl Sums {
    fn of(facts: &PoolFacts, holds: impl Fn(Instant) -> bool) -> Result<Self, TooLarge> {
        let currency = facts.currency;
        let settled: Vec<_> = facts.settlements.iter().filter(|s| holds(s.time)).collect();
        let sum = |part: &dyn Fn(&SettlementFacts) -> Result<Money, TooLarge>| {
            let parts = settled.iter().map(|s| part(s)).collect::<Result<Vec<_>, _>>()?;
            Money::sum(currency, parts)
        };
        let receipts = facts.receipts.iter().filter(|r| holds(r.time));
        let received = receipts.map(|r| Money::of(r.amount)).collect::<Result<Vec<_>, _>>()?;
        let disbursed = match &facts.bank {
            Some(bank) => {
                let booked = bank.iter().filter(|b| holds(b.time)).map(|b| Money::of(b.booked));
                Money::sum(currency, booked.collect::<Result<Vec<_>, _>>()?)?
            }
            None => sum(&|s| paid_lines(s))?,
        };
        Ok(Self {
            received: Money::sum(currency, received)?,
            disbursed,
            fee: sum(&|s| Money::of(s.fee))?,
            base: sum(&|s| Money::of(s.received))?,
            earned: sum(&|s| earned(s))?,
            platform: sum(&|s| Money::of(s.platform.payable))?,
        })
    }

    /// Returns lines a to h.
    #[expect(clippy::many_single_char_names, reason = "the letters are the form's own")]
    fn lines(&self) -> Result<[Money; 8], TooLarge> {
        let (a, b, d) = (self.received, self.disbursed, self.received);
        let c = a.minus(b)?;
        let e = b.plus(self.fee)?.plus(self.platform)?;
        let f = self.earned.minus(b)?.minus(self.platform)?;
        let g = e.plus(f)?;
        Ok([a, b, c, d, e, f, g, d.minus(g)?])
    }
}

/// What a settlement has the bank pay: people after tax, and institutions.
fn paid_lines(settled: &SettlementFacts) -> Result<Money, TooLarge> {
    let people = Money::of(settled.people.payable)?.minus(Money::of(settled.tax)?)?;
    people.plus(Money::of(settled.institutions.payable)?)
}

/// What a settlement gave out.
fn earned(settled: &SettlementFacts) -> Result<Money, TooLarge> {
    let [people, institutions, platform] = accounts(settled).map(|a| Money::from(a.earned));
    people.plus(institutions)?.plus(platform)
}

fn accounts(settled: &SettlementFacts) -> [AccountFacts; 3] {
    [settled.people, settled.institutions, settled.platform]
}

fn federal(facts: &PoolFacts) -> Result<Federal, TooLarge> {
    let days = facts.days;
    let before = Sums::of(facts, |time| days.after(time))?;
    let within = Sums::of(facts, |time| days.hold(time))?;
    let until = Sums::of(facts, |time| days.after(time) || days.hold(time))?;
    let sums = [before.lines()?, within.lines()?, until.lines()?];
    let [before, during, until] = sums;
    let lines = LINES.into_iter().zip(before).zip(during).zip(until).map(
        |((((line, what, meaning), before), within), until)| FederalLine {
            line,
            what,
            meaning,
            before,
            within,
            until,
        },
    );
    Ok(Federal {
        disbursed: if facts.bank.is_some() { Disbursed::Bank } else { Disbursed::PaidLines },
        lines: lines.collect(),
        indirect: Indirect { rate_bps: facts.rules.fee_bps, base: within.base, amount: within.fee },
    })
}

/// The lines of SF-425 as a pool has them. Nothing is counted twice: e is what was earned and is
/// settled with whoever earned it, f what was earned and is not, so that g is all that was earned.
const LINES: [(&str, &str, &str); 8] = [
    ("10a", "Cash receipts", "paid into the pool by sponsors"),
    ("10b", "Cash disbursements", "paid out by the bank to people and institutions"),
    ("10c", "Cash on hand", "a less b"),
    ("10d", "Total funds authorized", "what sponsors paid in; a pool holds no pledges"),
    ("10e", "Share of expenditures", "b, the fee, and the platform’s part"),
    ("10f", "Unliquidated obligations", "earned by people and institutions, and not paid yet"),
    ("10g", "Total share", "e and f, which is all that was earned, and the fee"),
    ("10h", "Unobligated balance", "d less g, which is given to nobody yet"),
];

fn waterfall(facts: &PoolFacts, federal: &Federal) -> Result<Waterfall, TooLarge> {
    let zero = Money::zero(facts.currency);
    let line = |number: &str| federal.lines.iter().find(|line| line.line == number);
    let (opening, closing) = line("10h").map_or((zero, zero), |line| (line.before, line.until));
    let received = line("10d").map_or(zero, |line| line.within);
    let within = facts.held(Days::hold);
    let minus = |account: fn(&SettlementFacts) -> AccountFacts| {
        let earned = within.iter().map(|s| Money::from(account(s).earned));
        zero.minus(Money::sum(facts.currency, earned)?)
    };
    let part = |what: &str, amount| Part { what: what.to_owned(), amount };
    let changes = vec![
        part("Received", received),
        part("Fee", zero.minus(federal.indirect.amount)?),
        part("Earned by people", minus(|s| s.people)?),
        part("Earned by institutions", minus(|s| s.institutions)?),
        part("Earned by the platform", minus(|s| s.platform)?),
    ];
    Ok(Waterfall { opening, changes, closing })
}

fn roll(settled: &SettlementFacts, currency: Currency) -> Result<RollLine, TooLarge> {
    let [people, institutions, platform] = accounts(settled).map(|a| Money::from(a.earned));
    let (opening, closing) = (settled.returned.into(), settled.unallocated.into());
    let (received, fee) = (Money::of(settled.received)?, Money::of(settled.fee)?);
    let reserve = Money::of(settled.reserve)?;
    let given = Money::sum(currency, [fee, reserve, people, institutions, platform])?;
    let difference = received.plus(opening)?.minus(given)?.minus(closing)?;
    let (period, time) = (settled.period.clone(), settled.time);
    Ok(RollLine {
        period,
        time,
        opening,
        received,
        fee,
        reserve,
        people,
        institutions,
        platform,
        closing,
        difference,
    })
}

/// Which sums over people may be told: those of at least 11, for the sponsor. Where one settlement's
/// is of fewer, none is: the others would give it away.
#[derive(Clone, Copy)]
struct Shown {
    tax: bool,
    held: bool,
    adjusted: bool,
}

impl Shown {
    fn of(settled: &[&SettlementFacts], private: bool) -> Self {
        let told = |people: fn(&SettlementFacts) -> u64| {
            private && settled.iter().all(|s| !(1..super::PEOPLE_MIN).contains(&people(s)))
        };
        Self {
            tax: told(|s| s.of_people.taxed),
            held: told(|s| s.of_people.held),
            adjusted: told(|s| s.of_people.adjusted),
        }
    }
}

fn owed(settled: &SettlementFacts, currency: Currency, shown: Shown) -> Result<OwedLine, TooLarge> {
    let all = accounts(settled);
    let opening = Money::sum(currency, all.map(|a| a.opening.into()))?;
    let closing = Money::sum(currency, all.map(|a| a.closing.into()))?;
    let [people, institutions, platform] = all.map(|a| Money::of(a.payable));
    let (people, institutions, platform) = (people?, institutions?, platform?);
    let earned = earned(settled)?;
    let paid = Money::sum(currency, [people, institutions, platform])?;
    let difference = opening.plus(earned)?.minus(paid)?.minus(closing)?;
    let tax = Money::of(settled.tax)?;
    Ok(OwedLine {
        period: settled.period.clone(),
        opening,
        earned,
        people: if shown.tax { people.minus(tax)? } else { people },
        tax: shown.tax.then_some(tax),
        institutions,
        platform,
        closing,
        difference,
    })
}

/// What line h is made of: it is reckoned apart from the line, so that one checks the other.
fn unobligated(facts: &PoolFacts) -> Result<Vec<Part>, TooLarge> {
    let currency = facts.currency;
    let ended = facts.ended();
    let sum = |part: fn(&SettlementFacts) -> Result<Money, TooLarge>| {
        Money::sum(currency, ended.iter().map(|s| part(s)).collect::<Result<Vec<_>, _>>()?)
    };
    let receipts =
        facts.receipts.iter().filter(|r| facts.days.after(r.time) || facts.days.hold(r.time));
    let received = receipts.map(|r| Money::of(r.amount)).collect::<Result<Vec<_>, _>>()?;
    let received = Money::sum(currency, received)?;
    let zero = Money::zero(currency);
    let part = |what: &str, amount| Part { what: what.to_owned(), amount };
    Ok(vec![
        part("Had no one to go to", ended.last().map_or(zero, |s| s.unallocated.into())),
        part(RESERVE, sum(|s| Money::of(s.reserve))?),
        part("Not settled yet", received.minus(sum(|s| Money::of(s.received))?)?),
    ])
}

/// What line f is made of, reckoned from what the last settlement says that it owes.
fn unliquidated(facts: &PoolFacts, federal: &Federal, shown: Shown) -> Result<Vec<Part>, TooLarge> {
    let currency = facts.currency;
    let zero = Money::zero(currency);
    let ended = facts.ended();
    let last = ended.last();
    let owed = |account: fn(&SettlementFacts) -> AccountFacts| {
        last.map_or(zero, |s| account(s).closing.into())
    };
    let held: Money = last.map_or(zero, |s| s.held.into());
    let sum = |part: fn(&SettlementFacts) -> Result<Money, TooLarge>| {
        Money::sum(currency, ended.iter().map(|s| part(s)).collect::<Result<Vec<_>, _>>()?)
    };
    let disbursed = federal.lines.iter().find(|l| l.line == "10b").map_or(zero, |l| l.until);
    let part = |what: &str, amount| Part { what: what.to_owned(), amount };
    let (people, tax) = (owed(|s| s.people), sum(|s| Money::of(s.tax))?);
    let mut parts = if shown.tax && shown.held {
        vec![
            part("Carried for people", people.minus(held)?),
            part("Held back for people", held),
            part("Withheld as tax, for the tax office", tax),
        ]
    } else {
        vec![part("Carried or held back for people, or withheld as tax", people.plus(tax)?)]
    };
    parts.extend([
        part("Carried for institutions", owed(|s| s.institutions)),
        part("Carried for the platform", owed(|s| s.platform)),
        part(IN_TRANSIT, sum(paid_lines)?.minus(disbursed)?),
    ]);
    Ok(parts)
}

/// The part of line f that the bank has been asked to pay, or will be.
pub(super) const IN_TRANSIT: &str = "To be paid, and not booked by the bank";

/// The part of line h that is kept back.
pub(super) const RESERVE: &str = "Kept in reserve";

fn sponsors(facts: &PoolFacts) -> Result<Vec<Part>, TooLarge> {
    let mut sums: BTreeMap<&str, Money> = BTreeMap::new();
    for receipt in facts.receipts.iter().filter(|r| facts.days.hold(r.time)) {
        let sum = sums.entry(&receipt.sponsor).or_insert_with(|| Money::zero(facts.currency));
        *sum = sum.plus(Money::of(receipt.amount)?)?;
    }
    let part = |(sponsor, amount): (&str, Money)| Part { what: sponsor.to_owned(), amount };
    Ok(sums.into_iter().map(part).collect())
}

fn layers(facts: &PoolFacts, within: &[&SettlementFacts]) -> Result<Vec<Part>, TooLarge> {
    let mut sums: Vec<Part> = Vec::new();
    for layer in within.iter().flat_map(|s| &s.layers) {
        let given = Money::from(layer.pot).minus(layer.unallocated.into())?;
        if let Some(known) = sums.iter_mut().find(|part| part.what == layer.layer) {
            known.amount = known.amount.plus(given)?;
        } else {
            let amount = Money::zero(facts.currency).plus(given)?;
            sums.push(Part { what: layer.layer.clone(), amount });
        }
    }
    Ok(sums)
}

/// Shares out what the usage layer gave, settlement by settlement, over the purposes by the units of
/// their questions: largest remainders, ties in the order of the codes.
fn by_purpose(
    within: &[&SettlementFacts],
    currency: Currency,
) -> Result<Vec<PurposeShare>, TooLarge> {
    let mut sums: BTreeMap<&Purpose, (u64, Money)> = BTreeMap::new();
    for settled in within {
        let mut units: BTreeMap<&Purpose, (u64, u128)> = BTreeMap::new();
        for question in &settled.questions {
            let sum = units.entry(&question.purpose).or_default();
            sum.0 = sum.0.saturating_add(1);
            sum.1 = sum.1.checked_add(question.units).ok_or(TooLarge)?;
        }
        let usage = settled.layers.iter().filter(|layer| layer.layer == "usage");
        let given = usage.map(|layer| Money::from(layer.pot).minus(layer.unallocated.into()));
        let given = Money::sum(currency, given.collect::<Result<Vec<_>, _>>()?)?;
        let weights: Vec<u128> = units.values().map(|(_, units)| *units).collect();
        let keys: Vec<usize> = (0..weights.len()).collect();
        let amount = u128::try_from(given.micro()).map_err(|_| TooLarge)?;
        let shares = apportion(amount, &weights, &keys).map_err(|_| TooLarge)?.shares;
        for ((purpose, (questions, _)), share) in units.into_iter().zip(shares) {
            let sum = sums.entry(purpose).or_insert_with(|| (0, Money::zero(currency)));
            sum.0 = sum.0.saturating_add(questions);
            let share = i128::try_from(share).map_err(|_| TooLarge)?;
            sum.1 = sum.1.plus(Money::of_micro(share, currency))?;
        }
    }
    let share = |(purpose, (questions, amount)): (&Purpose, (u64, Money))| PurposeShare {
        purpose: purpose.clone(),
        label: purpose.label(),
        questions,
        amount,
    };
    Ok(sums.into_iter().map(share).collect())
}

/// Returns what each contributor is paid by all settlements together.
fn paid_to(within: &[&SettlementFacts]) -> Vec<u64> {
    let mut sums: BTreeMap<usize, u64> = BTreeMap::new();
    for (person, paid) in within.iter().flat_map(|s| &s.paid_to) {
        let sum = sums.entry(*person).or_default();
        *sum = sum.saturating_add(*paid);
    }
    sums.into_values().collect()
}

fn commands(pool: &str, days: Days) -> Vec<String> {
    let mut again = format!("almoner audit {pool} --as json --out audit/");
    for (option, day) in [("--from", days.from), ("--until", days.until)] {
        if let Some(day) = day {
            again = format!("{again} {option} {day}");
        }
    }
    vec![
        again,
        format!("almoner audit recompute {pool}"),
        format!("almoner pool show {pool}"),
        "almoner verify --deep".to_owned(),
    ]
}
