//! The dialects in which a journal is written.
//!
//! Comes in: a journal. Goes out: text. Never: a dialect that would let a changed cent pass: each states
//! balances that its program holds the postings against.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{Dialect, Error, Journal, negated, post};
use crate::money::Amount;

impl Journal {
    /// Writes the journal.
    pub fn write(&self, dialect: Dialect) -> Result<String, Error> {
        match dialect {
            Dialect::Hledger => {
                // A decimal mark tells hledger how many decimals the currency has, with none as well.
                let zero = Amount::zero(self.currency);
                let mark = if self.currency.exponent() == 0 { "." } else { "" };
                self.asserted(&format!("commodity {}{mark} {}\n", zero.decimal(), self.currency))
            }
            Dialect::Ledger => self.asserted(&format!("commodity {}\n", self.currency)),
            Dialect::Beancount => self.beancount(),
            Dialect::Csv => self.csv(),
        }
    }

    /// The form that hledger and ledger share: every posting with the balance that it leads to.
    fn asserted(&self, commodity: &str) -> Result<String, Error> {
        let balances = self.balances()?;
        let mut out = format!("; almoner: journal of {}\n{commodity}", self.title);
        for account in balances.keys() {
            let _ = writeln!(out, "account {account}");
        }
        let mut running = BTreeMap::new();
        for t in &self.transactions {
            let _ = writeln!(out, "\n{} * {}  ; entry:{}", t.time.date(), t.narration, t.entry);
            for (account, amount) in &t.postings {
                let balance = post(&mut running, account, *amount)?;
                let _ = writeln!(out, "    {account}  {} = {}", money(*amount), money(balance));
            }
        }
        Ok(out)
    }

    fn beancount(&self) -> Result<String, Error> {
        let balances = self.balances()?;
        let currency = self.currency;
        let mut out = format!("option \"title\" \"almoner: journal of {}\"\n", self.title);
        let (Some(first), Some(last)) = (self.transactions.first(), self.transactions.last())
        else {
            return Ok(out);
        };
        let (first, last) = (first.time.date(), last.time.date());
        let _ = writeln!(out, "option \"operating_currency\" \"{currency}\"");
        let _ = writeln!(out, "option \"inferred_tolerance_default\" \"{currency}:0\"");
        for account in balances.keys() {
            let _ = writeln!(out, "{first} open {account} {currency}");
        }
        for t in &self.transactions {
            let _ = writeln!(
                out,
                "\n{} * \"{}\"\n  entry: \"{}\"",
                t.time.date(),
                t.narration,
                t.entry
            );
            for (account, amount) in &t.postings {
                let _ = writeln!(out, "  {account}  {}", money(*amount));
            }
        }
        // An assertion holds at the beginning of its day.
        let after = last.succ_opt().ok_or(Error::Date)?;
        out.push('\n');
        for (account, balance) in &balances {
            let _ = writeln!(
                out,
                "{after} balance {account}  {} ~ 0 {}",
                balance.decimal(),
                balance.currency()
            );
        }
        Ok(out)
    }

    fn csv(&self) -> Result<String, Error> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record([
            "date",
            "time",
            "commit",
            "entry",
            "narration",
            "account",
            "side",
            "minor",
            "amount",
            "currency",
            "sequence",
        ])?;
        for t in &self.transactions {
            for (account, amount) in &t.postings {
                let side = if amount.minor() < 0 { "credit" } else { "debit" };
                let absolute = if amount.minor() < 0 { negated(*amount)? } else { *amount };
                writer.write_record([
                    t.time.date().to_string().as_str(),
                    t.time.to_string().as_str(),
                    t.commit.to_string().as_str(),
                    t.entry.to_string().as_str(),
                    t.narration.as_str(),
                    account,
                    side,
                    amount.minor().to_string().as_str(),
                    absolute.decimal().as_str(),
                    amount.currency().code(),
                    t.sequence,
                ])?;
            }
        }
        let bytes = writer.into_inner().map_err(|e| csv::Error::from(e.into_error()))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

fn money(amount: Amount) -> String {
    format!("{} {}", amount.decimal(), amount.currency())
}
