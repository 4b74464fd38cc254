//! What patients decided on their records, as the vault has it now.
//!
//! Comes in: the consents that were imported, the register. Goes out: for each patient, all of their
//! Consents and what the register knows beside them. Never: a withdrawal that is overlooked because it
//! was made at a desk and not in a document.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufReader, Cursor},
};

use serde::Deserialize;
use serde_json::Value;

use super::{Desk, Error};
use crate::{
    consent::{
        Action, Held, Register,
        fhir::{SOURCE, each_consent},
    },
    digest::Sha3Digest,
    instant::Date,
    linkage::PersonIndex,
    party::{ContributorId, InstitutionId},
    pipeline::consent::unpacked,
    site::Site,
    transfer::{Consents, Registered},
};

/// Where imported documents are, in the vault: `<digest>`, and lists of them, `<digest>.json`.
const DOCUMENTS: &str = "consent/documents";

/// One file of a list, and whose patients its ids are.
#[derive(Deserialize)]
struct Listed {
    sha3: Sha3Digest,
    institution: Option<InstitutionId>,
}

/// What patients of this institution decided.
pub(super) struct Decided {
    consents: BTreeMap<String, Consents>,
    register: Register,
    index: PersonIndex,
    institution: InstitutionId,
    namespace: String,
}

impl Decided {
    /// Reads the decisions of some patients.
    pub(super) fn load(
        site: &Site,
        desk: &Desk,
        patients: &BTreeSet<String>,
    ) -> Result<Self, Error> {
        let vault = site.vault();
        let mut files = BTreeSet::new();
        for object in vault
            .list(DOCUMENTS)?
            .iter()
            .filter(|object| object.path.strip_suffix(".json").is_some())
        {
            let listed: Vec<Listed> = serde_json::from_slice(&vault.get(&object.path)?)?;
            let own = |listed: &Listed| {
                listed.institution.as_ref().is_none_or(|own| *own == desk.institution)
            };
            files.extend(listed.into_iter().filter(own).map(|listed| listed.sha3));
        }
        let mut consents: BTreeMap<String, Consents> = BTreeMap::new();
        for digest in files {
            let bytes = vault.get(&format!("{DOCUMENTS}/{digest}"))?;
            let unpacked = unpacked(Cursor::new(bytes))
                .map_err(|source| Error::Documents { digest, source })?;
            each_consent(BufReader::new(unpacked), |_, consent| {
                let Ok(consent) = consent else { return };
                let reference = consent
                    .pointer("/patient/reference")
                    .or_else(|| consent.pointer("/subject/reference"));
                let reference = reference.and_then(Value::as_str).unwrap_or_default();
                let local = reference.rsplit(['/', ':']).next().unwrap_or_default();
                if patients.contains(local) {
                    consents.entry(local.to_owned()).or_default().add(consent);
                }
            })
            .map_err(|source| Error::Documents { digest, source })?;
        }
        Ok(Self {
            consents,
            register: Register::load(&vault)?,
            index: PersonIndex::load(&vault)?,
            institution: desk.institution.clone(),
            namespace: desk.namespace.clone(),
        })
    }

    /// Returns a patient's Consents; none where there is none.
    pub(super) fn consents(&self, patient: &str) -> Consents {
        self.consents.get(patient).cloned().unwrap_or_default()
    }

    /// Returns what the register knows of a patient on a day, beside documents.
    pub(super) fn registered(&self, patient: &str, day: Date) -> Registered {
        let linked = self.index.person(&self.institution, patient).cloned();
        let named = match self.namespace.as_str() {
            "" => ContributorId::parse(patient),
            namespace => ContributorId::parse(&format!("{namespace}:{patient}")),
        };
        let mut registered = Registered::default();
        let (mut out, mut back) = (None, None);
        for person in linked.into_iter().chain(named.ok()) {
            for held in self.register.events(&person).into_iter().flatten() {
                let Held { event, source, .. } = held;
                let decided = Some(event.decided_at());
                match event.action() {
                    Action::OptOut if event.valid_from() <= day => out = out.max(decided),
                    Action::OptIn if event.valid_from() <= day => back = back.max(decided),
                    // A document's own withdrawals are judged as the document says.
                    Action::Withdraw
                        if !source.starts_with(SOURCE)
                            && event.terms().reach_institution(&self.institution) =>
                    {
                        registered.withdrawn = registered.withdrawn.max(decided);
                    }
                    Action::Grant | Action::Withdraw | Action::OptOut | Action::OptIn => {}
                }
            }
        }
        registered.opted_out = out.is_some() && out >= back;
        registered
    }
}
