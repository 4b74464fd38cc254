//! The money of the quarter: who is paid and where, what sponsors give, what the bank is told and says.

use std::{fmt::Write as _, fs};

use super::story::{Story, bug, day};
use crate::{
    cli::Failure,
    money::{Amount, Currency},
    party::SponsorId,
    pipeline::{
        audit::Audited,
        fund, goods, payee,
        payout::{self, AnswerForm, Debtor, Terms, Version},
        rules,
        sponsor::{self, Ask},
        statement::Form,
    },
    population,
    report::Days,
    reward::{
        Funded, Opened, Period, PoolId, Totals,
        goods::{ItemId, Received},
    },
    site::Site,
};

pub(super) const POOL: &str = "diabetes-2026";
pub(super) const QUARTER: &str = "2026-Q3";
const METER: &str = "glucose-meter";
const METERS: u64 = 40;

/// The commons' own account, of no bank.
pub(super) const DEBTOR: &str = "name = \"Demo Commons\"\niban = \"DE09000000000000000001\"\n";

/// What the bank was told, and what it said.
#[derive(Debug, Default)]
pub(super) struct Banked {
    pub(super) payments: u64,
    pub(super) sum: String,
    pub(super) waiting: u64,
    pub(super) returned: u64,
}

impl Banked {
    pub(super) fn told(&self) -> String {
        format!(
            "{} payments ordered, {}; {} wait for an account, {} came back and waits",
            self.payments, self.sum, self.waiting, self.returned
        )
    }
}

impl Story {
    /// Registers people and institutions with their accounts; whose record was faulty is not linked, and
    /// earns nothing yet.
    pub(super) fn payees(&self, site: &Site) -> Result<(), Failure> {
        drop(payee::import(site, &self.around().join("input/payees.csv"), 20_000)?);
        Ok(())
    }

    /// Opens the pool under the standard rules; one sponsor gives money, another meters.
    pub(super) fn sponsor(&self, site: &Site, dataset: &str) -> Result<(), Failure> {
        let currency = Currency::parse("EUR").map_err(bug)?;
        let pool = PoolId::parse(POOL).map_err(bug)?;
        let rules = rules::read(&self.around().join("pipelines/rewards.toml"))?;
        let opened = Opened {
            pool: pool.clone(),
            currency,
            datasets: vec![dataset.to_owned()],
            purposes: Vec::new(),
            rules,
        };
        fund::open(site, opened)?;
        let mut sponsors = population::sponsors(self.population().seed(), 2).into_iter();
        let (Some(first), Some(second)) = (sponsors.next(), sponsors.next()) else {
            return Err(bug("no sponsors"));
        };
        let gift = Funded {
            pool: pool.clone(),
            amount: Amount::parse("100000.00", currency).map_err(bug)?,
            sponsor: SponsorId::parse(&first.sponsor).map_err(bug)?,
            reference: first.reference,
        };
        fund::fund(site, gift)?;
        let meters = Received {
            pool,
            item: ItemId::parse(METER).map_err(bug)?,
            units: METERS,
            unit_price: Amount::parse("29.90", currency).map_err(bug)?,
            sponsor: SponsorId::parse(&second.sponsor).map_err(bug)?,
            reference: second.reference,
        };
        goods::receive(site, meters)?;
        Ok(())
    }

    /// Gives the meters by what everybody earned; returns how many and to how many people.
    pub(super) fn give(site: &Site) -> Result<String, Failure> {
        let pool = PoolId::parse(POOL).map_err(bug)?;
        let stock =
            |stocks: Vec<goods::Stock>| stocks.into_iter().map(|s| s.counts.given).sum::<u64>();
        if stock(goods::stocks(site, Some(&pool))?) == 0 {
            let giving = goods::Giving {
                pool: pool.clone(),
                period: Period::parse(QUARTER).map_err(bug)?,
                only: None,
                expires: None,
                dry_run: false,
            };
            goods::give(site, &giving)?;
        }
        let given = stock(goods::stocks(site, Some(&pool))?);
        Ok(format!("{given} {METER}s given as vouchers, by what was earned"))
    }

    /// Orders the bank to pay; it books all payments but one, whose account is closed.
    pub(super) fn pay(&self, site: &mut Site) -> Result<Banked, Failure> {
        let pool = PoolId::parse(POOL).map_err(bug)?;
        let period = Period::parse(QUARTER).map_err(bug)?;
        let folder = self.around().join("bank");
        fs::create_dir_all(&folder)?;
        let order = folder.join("order.xml");
        if payout::orders(site, std::slice::from_ref(&pool))?.is_empty() {
            let debtor = Debtor::read(DEBTOR).map_err(|_| bug("the debtor"))?;
            let terms = Terms { debtor, version: Version::V09, date: None, exchange: None };
            let ordered = payout::export(site, &pool, &period, &terms)?;
            fs::write(&order, &ordered.file)?;
        }
        site.set_now(day("2026-10-01T18:00:00Z")?);
        let answer = answer(&fs::read_to_string(&order)?).ok_or_else(|| bug("the order"))?;
        fs::write(folder.join("answer.csv"), &answer)?;
        let heard = payout::answer(site, &pool, None, AnswerForm::Csv, answer.as_bytes())?;
        if !heard.findings.is_empty() {
            return Err(bug("the bank's answer does not fit the order"));
        }
        let orders = payout::orders(site, std::slice::from_ref(&pool))?;
        Ok(orders.first().map_or_else(Banked::default, |order| Banked {
            payments: order.count,
            sum: order.control.to_string(),
            waiting: order.waiting,
            returned: order.returned,
        }))
    }

    /// Writes what a sponsor and their auditor read.
    pub(super) fn sponsor_audit(&self, site: &Site, audited: &Audited) -> Result<String, Failure> {
        let pool = PoolId::parse(POOL).map_err(bug)?;
        let ask =
            Ask { days: Days::default(), sample: Some((25, "the demo's auditor".to_owned())) };
        let audit = sponsor::audit(site, &pool, &ask, audited.page())?;
        let folder = self.around().join("audit");
        fs::create_dir_all(&folder)?;
        for (name, bytes) in sponsor::files(&audit, &[Form::Html, Form::Json, Form::Csv])? {
            fs::write(folder.join(name), bytes)?;
        }
        let exceptions = audit.exceptions.len();
        Ok(format!("{exceptions} exceptions; the sponsor's audit is in {}", folder.display()))
    }
}

/// Makes the bank's answer to an order: every payment booked a day later, and the third sent back.
fn answer(order: &str) -> Option<String> {
    let mut text = "end_to_end,outcome,amount,currency,date,reason\n".to_owned();
    let mut back = String::new();
    for (at, payment) in order.split("<EndToEndId>").skip(1).enumerate() {
        let (id, rest) = payment.split_once("</EndToEndId>")?;
        let (_, rest) = rest.split_once("<InstdAmt Ccy=\"")?;
        let (currency, rest) = rest.split_once("\">")?;
        let (amount, _) = rest.split_once("</InstdAmt>")?;
        writeln!(text, "{id},booked,{amount},{currency},2026-10-02,").ok()?;
        if at == 2 {
            back = format!("{id},returned,{amount},{currency},2026-10-02,AC04\n");
        }
    }
    text.push_str(&back);
    Some(text)
}

/// Says where the money went.
pub(super) fn settlement(totals: &Totals) -> [String; 2] {
    let institutions = totals
        .institutions
        .as_ref()
        .map_or_else(|| "0".to_owned(), |institutions| institutions.accrued.whole().grouped());
    let first = format!(
        "{} {} = fee {} + people {} + institutions {institutions} + platform {} + unallocated {}",
        totals.received.currency().code(),
        totals.received.grouped(),
        totals.fee.grouped(),
        totals.person.whole().grouped(),
        totals.platform.whole().grouped(),
        totals.unallocated.whole().grouped(),
    );
    let second = format!(
        "of people's: paid {}, tax withheld {}, carried {}",
        totals.paid.grouped(),
        totals.tax.grouped(),
        totals.carried.whole().grouped(),
    );
    [first, second]
}
