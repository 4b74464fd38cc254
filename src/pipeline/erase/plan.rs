//! What stands for a person in the vault, and what takes its place.
//!
//! Comes in: the person index, rosters, payees, orders. Goes out: a [`Plan`], which lies in the vault while
//! an erasure is under way and is destroyed with it. Never: a plan that is printed, or that outlives its act.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::{Deserialize, Serialize};

use super::{Error, covers, table, text};
use crate::{
    bank,
    digest::{Sha3Digest, hex, hmac_sha3_parts},
    instant::Instant,
    lake::Lake,
    linkage::{self, PersonIndex},
    party::ContributorId,
    payee::{self, PayeeId},
    pipeline::{goods, transfer},
    redaction::NOBODY,
    site::Site,
    store::{Sequence, Store},
};

pub(super) use crate::site::ERASURE_PENDING as PENDING;

/// An object that was rewritten.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Move {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) was: Sha3Digest,
    pub(super) now: Sha3Digest,
}

/// Everything that an erasure does, before any of it is done.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Plan {
    pub(super) txn: String,
    pub(super) time: Instant,
    pub(super) clause: String,
    pub(super) destroy: bool,
    pub(super) people: u64,
    /// How many of their payments stay in the books.
    pub(super) payments: u64,
    /// The ids of the people.
    pub(super) ids: BTreeSet<String>,
    /// Their records: institution and its own id.
    pub(super) records: BTreeSet<(String, String)>,
    /// Names of the holders of their accounts.
    pub(super) holders: BTreeSet<String>,
    /// What stands for them, and what takes its place.
    pub(super) names: BTreeMap<String, String>,
    /// Their accounts, likewise: another's row that has the same account keeps it.
    #[serde(default)]
    pub(super) accounts: BTreeMap<String, String>,
    /// The transfers of their records to or from other institutions.
    #[serde(default)]
    pub(super) transfers: BTreeSet<String>,
    /// The ids of their rows that covers paid for, in the same order as before.
    #[serde(default)]
    pub(super) rows: BTreeMap<String, String>,
    /// A secret under which other ids and hashes are made of theirs.
    #[serde(default)]
    pub(super) secret: String,
    /// By the ids of payments, where each stands in its order from now on.
    pub(super) orders: BTreeMap<String, u64>,
    /// The versions that hold them.
    pub(super) versions: BTreeSet<(String, u64)>,
    /// What was rewritten; none before the new objects are all there.
    pub(super) moves: Option<Vec<Move>>,
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Plan(…)")
    }
}

impl Plan {
    /// Reads the plan of an erasure that was cut off.
    pub(super) fn pending(vault: &Store) -> Result<Option<Self>, Error> {
        let Some(bytes) = vault.find(PENDING)? else { return Ok(None) };
        Ok(Some(serde_json::from_slice(&bytes).map_err(|_| Error::Format(PENDING.to_owned()))?))
    }

    /// Puts the plan down.
    pub(super) fn keep(&self, vault: &Store) -> Result<(), Error> {
        Ok(vault.put(PENDING, serde_json::to_vec(self)?.into())?)
    }

    /// Keeps nothing but that the erasure is not at its end.
    pub(super) fn forget(&mut self) {
        self.ids.clear();
        self.records.clear();
        self.holders.clear();
        self.names.clear();
        self.accounts.clear();
        self.transfers.clear();
        self.rows.clear();
        self.secret.clear();
        self.orders.clear();
        self.versions.clear();
        self.moves = Some(Vec::new());
    }

    /// Returns the ids that stand in an erased person's place.
    pub(super) fn aliases(&self) -> BTreeSet<String> {
        self.ids.iter().filter_map(|id| self.names.get(id)).cloned().collect()
    }

    /// Gathers what stands for people; texts are ids, or `institution/id` of a linked record.
    pub(super) fn gather(
        site: &Site,
        people: &[ContributorId],
        clause: &str,
        destroy: bool,
    ) -> Result<Self, Error> {
        let mut plan = Self {
            txn: site.txn()?,
            time: site.now(),
            clause: clause.to_owned(),
            destroy,
            people: people.len() as u64,
            payments: 0,
            ids: BTreeSet::new(),
            records: BTreeSet::new(),
            holders: BTreeSet::new(),
            names: BTreeMap::new(),
            accounts: BTreeMap::new(),
            transfers: BTreeSet::new(),
            rows: BTreeMap::new(),
            secret: hex(&site.random()?),
            orders: BTreeMap::new(),
            versions: BTreeSet::new(),
            moves: None,
        };
        let index = PersonIndex::load(&site.vault())?;
        for person in people {
            let kept = index.canonical(person);
            let ids: Vec<&ContributorId> =
                [person, kept].into_iter().chain(index.aliases(kept)).collect();
            for id in ids {
                plan.ids.insert(id.as_str().to_owned());
                let own = index.members(id).into_iter();
                plan.records.extend(
                    own.map(|(place, local)| (place.as_str().to_owned(), local.to_owned())),
                );
            }
        }
        for id in plan.ids.clone() {
            plan.name(&id, || Ok(format!("{NOBODY}{}", random(site)?)))?;
        }
        plan.rosters(site)?;
        plan.payees(site)?;
        plan.payments(site)?;
        plan.vouchers(site)?;
        plan.covered(site)?;
        plan.transfers(site)?;
        plan.linkage(site)?;
        Ok(plan)
    }

    fn name(
        &mut self,
        from: &str,
        to: impl FnOnce() -> Result<String, Error>,
    ) -> Result<(), Error> {
        if !from.is_empty() && !self.names.contains_key(from) {
            self.names.insert(from.to_owned(), to()?);
        }
        Ok(())
    }

    /// The versions that hold them, and, where these are destroyed, their pseudonyms.
    fn rosters(&mut self, site: &Site) -> Result<(), Error> {
        for located in Lake::new(site.lake()).all()? {
            let version = &located.version;
            let path = &version.roster.path;
            let own = table::pairs(&site.vault().get(path)?, "contributor", "pseudonym")
                .ok_or_else(|| Error::Format(format!("vault/{path}")))?;
            let own: Vec<_> = own.into_iter().filter(|(id, _)| self.ids.contains(id)).collect();
            for (_, pseudonym) in own {
                self.versions.insert((version.dataset.clone(), version.version));
                if self.destroy {
                    self.name(&pseudonym, || random(site))?;
                }
            }
        }
        Ok(())
    }

    /// Who they were checked to be, and their accounts.
    fn payees(&mut self, site: &Site) -> Result<(), Error> {
        let vault = site.vault();
        for (number, body) in Sequence::new(&vault, payee::COMMITS).all()? {
            let commit: payee::Commit = serde_json::from_slice(&body)
                .map_err(|_| Error::Format(format!("vault/{}/{number}", payee::COMMITS)))?;
            for payee in commit.payees.read::<payee::Payee>(&vault)? {
                let PayeeId::Contributor(id) = &payee.id else { continue };
                if !self.ids.contains(id.as_str()) {
                    continue;
                }
                if let Some(person) = &payee.person {
                    self.name(person, || Ok(format!("{NOBODY}{}", random(site)?)))?;
                }
                if let Some(account) = &payee.account {
                    self.holders.insert(account.name.clone());
                    let iban = account.iban.as_str();
                    if !self.accounts.contains_key(iban) {
                        self.accounts.insert(iban.to_owned(), nowhere(&random(site)?)?);
                    }
                }
            }
        }
        Ok(())
    }

    /// The ids of their payments.
    fn payments(&mut self, site: &Site) -> Result<(), Error> {
        let vault = site.vault();
        for (number, body) in Sequence::new(&vault, bank::COMMITS).all()? {
            let commit: bank::Commit = serde_json::from_slice(&body)
                .map_err(|_| Error::Format(format!("vault/{}/{number}", bank::COMMITS)))?;
            let bank::Act::Exported(order) = commit.act else { continue };
            let payments = order.lines.read::<bank::ExportLine>(&vault)?;
            let before = self.payments;
            for line in &payments {
                let PayeeId::Contributor(id) = &line.payee else { continue };
                if self.ids.contains(id.as_str()) {
                    self.payments += 1;
                    let (kept, _) = line.end_to_end.split_at(line.end_to_end.len().min(2));
                    self.name(&line.end_to_end, || Ok(format!("{kept}{}", random(site)?)))?;
                }
            }
            if self.payments > before {
                self.order(&payments)?;
            }
        }
        Ok(())
    }

    /// Where the payments of an order stand once its lines are rewritten and sorted: the bank's file
    /// follows them.
    fn order(&mut self, payments: &[bank::ExportLine]) -> Result<(), Error> {
        let mut lines = Vec::with_capacity(payments.len());
        for payment in payments {
            lines.push((serde_json::to_string(payment)?, payment.end_to_end.as_str()));
        }
        let sorted = lines.is_sorted();
        let mut new = Vec::with_capacity(lines.len());
        for (line, id) in &lines {
            new.push((text::values(self, line)?, *id));
        }
        if sorted {
            new.sort_unstable();
        }
        let ids = (0..).zip(new).map(|(at, (_, id))| (id.to_owned(), at));
        self.orders.extend(ids);
        Ok(())
    }

    /// The ids of their vouchers: of the same numbers, as if they had been issued to who stands in their
    /// place.
    fn vouchers(&mut self, site: &Site) -> Result<(), Error> {
        let secrets = goods::secrets(site);
        for (pool, items) in goods::goods(site)? {
            for (item, goods) in items {
                for given in &goods.given {
                    for line in goods::given_lines(site, given.commit, &given.act)? {
                        let Some(alias) = self.names.get(line.contributor.as_str()) else {
                            continue;
                        };
                        let alias = ContributorId::parse(alias)?;
                        for number in (line.held.saturating_add(1)..)
                            .take_while(|number| number - line.held <= line.units)
                        {
                            let id = |whose| secrets.id(&pool, &item, whose, number);
                            let (own, other) = (id(&line.contributor), id(&alias));
                            self.names.insert(own.as_str().to_owned(), other.as_str().to_owned());
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// The ids of their rows that covers paid for. The first row of an event is what paid: they stay in
    /// their order.
    fn covered(&mut self, site: &Site) -> Result<(), Error> {
        let vault = site.vault();
        let mut rows = BTreeSet::new();
        for object in vault.list_now("")?.iter().filter(|o| covers::is_lines(&o.path)) {
            let bytes = vault.get(&object.path)?;
            let text =
                std::str::from_utf8(&bytes).map_err(|_| Error::Format(object.path.clone()))?;
            let lines = covers::read(&object.path, text)?;
            let own = lines.into_iter().filter(|l| self.ids.contains(l.contributor.as_str()));
            rows.extend(own.map(|line| line.row.id));
        }
        let others: BTreeSet<String> =
            rows.iter().map(|row| hex(self.other(row.as_bytes()).split_at(16).0)).collect();
        self.rows = rows.into_iter().zip(others).collect();
        Ok(())
    }

    /// Which transfers are of their records.
    fn transfers(&mut self, site: &Site) -> Result<(), Error> {
        let own = transfer::of_patients(site, |patient| {
            self.ids.contains(patient) || self.records.iter().any(|(_, local)| local == patient)
        });
        self.transfers = own.map_err(|_| Error::Format("vault/transfers".to_owned()))?;
        Ok(())
    }

    /// Returns what takes the place of an id or a hash that is not theirs alone to name: nobody who lacks
    /// the plan's secret can make it.
    pub(super) fn other(&self, own: &[u8]) -> [u8; 32] {
        hmac_sha3_parts(&[0; 32], &[b"almoner/erased/v1", self.secret.as_bytes(), own])
    }

    /// The ids of linkage commits that hold them: the keys of those commits rest on them.
    fn linkage(&mut self, site: &Site) -> Result<(), Error> {
        let vault = site.vault();
        for commit in linkage::commits(&vault, u64::MAX)? {
            let Some(members) = &commit.members else { continue };
            let own = table::pairs(&vault.get(&members.path)?, "institution", "local");
            let own = own.ok_or_else(|| Error::Format(format!("vault/{}", members.path)))?;
            if own.iter().any(|record| self.records.contains(record)) {
                self.name(&commit.txn, || random(site))?;
            }
        }
        Ok(())
    }
}

/// Returns 32 random hex digits.
fn random(site: &Site) -> Result<String, Error> {
    Ok(hex(site.random()?.split_at(16).0))
}

/// Returns an account of a country that there is not, so that no bank pays into it, of 32 hex digits.
fn nowhere(digits: &str) -> Result<String, Error> {
    let digits = digits.to_ascii_uppercase();
    for check in 2..99_u8 {
        let text = format!("XX{check:02}{}", digits.split_at(26).0);
        if payee::Iban::parse(&text).is_ok() {
            return Ok(text);
        }
    }
    Err(Error::Format("accounts of nobody".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_of_nobody_reads_as_one_and_is_of_no_country() {
        let one = nowhere("0123456789abcdef0123456789abcdef").unwrap();
        let other = nowhere("fedcba9876543210fedcba9876543210").unwrap();
        assert!(payee::Iban::parse(&one).is_ok(), "an order of before could not be read again");
        assert!(one.starts_with("XX") && one != other);
    }
}
