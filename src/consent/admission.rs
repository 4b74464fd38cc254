//! Who may go on: one decision for everyone known, for each institution and category of a run.
//!
//! Comes in: the register and a scope. Goes out: an [`Admission`], its digest for the run's key.
//! Never: a permit for a cell that was not asked for, or for somebody the register does not know.

use std::sync::Arc;

use rayon::prelude::*;
use sha3::{Digest as _, Sha3_256};

use super::{
    linked::{self, Linked},
    people::People,
    register::{Register, all_permit, uses},
    standing::{Decision, Fit, View, judge},
};
use crate::{
    digest::Sha3Digest,
    instant::{Date, Instant},
    linkage::PersonIndex,
    party::{ContributorId, InstitutionId},
    purpose::Purpose,
};

/// What a run asks the register.
#[derive(Debug, Clone)]
pub struct Scope {
    /// The purposes of the use: every permission among them must be consented to, and every
    /// modifier is a condition that the use promises to keep.
    pub purposes: Vec<Purpose>,
    /// Whose records, of which category.
    pub cells: Vec<(InstitutionId, String)>,
    /// The day on which consent must hold (valid time).
    pub on: Date,
    /// Decisions made and recorded until then count.
    pub known_at: Instant,
}

/// The decisions for everyone the register knows.
#[derive(Debug, Clone)]
pub struct Admission {
    people: Arc<People>,
    purposes: Vec<Purpose>,
    cells: Vec<(InstitutionId, String)>,
    // For each cell, in order, one decision a person.
    decisions: Vec<Vec<Decision>>,
    commit: u64,
    // Whose records an institution's own ids name, where the run is linked.
    linked: Option<Arc<Linked>>,
}

impl Admission {
    pub(super) fn decide(register: &Register, scope: &Scope) -> Self {
        let view = View::new(scope.on, scope.known_at);
        let mut cells = scope.cells.clone();
        cells.sort();
        cells.dedup();
        let mut purposes = scope.purposes.clone();
        purposes.sort();
        purposes.dedup();
        let count = register.people().ids().len();
        let mut decisions = Vec::with_capacity(cells.len());
        for (institution, category) in &cells {
            let uses = uses(&purposes, institution, category);
            // Terms are few and people many: what each terms mean for each use is worked out once.
            let fits: Vec<Vec<Fit>> = uses
                .iter()
                .map(|wanted| register.terms().iter().map(|t| Fit::of(t, wanted)).collect())
                .collect();
            let person = |at: usize| {
                let rows = register.rows_of(u32::try_from(at).unwrap_or(u32::MAX));
                all_permit(fits.iter().map(|fits| judge(rows, view, |terms| fit(fits, terms))))
            };
            decisions.push((0..count).into_par_iter().map(person).collect());
        }
        let people = Arc::clone(register.people());
        Self { people, purposes, cells, decisions, commit: register.commit(), linked: None }
    }

    /// Takes the cells of person columns for institutions' own ids from now on, and asks the person
    /// index whose they are. Of several ids of one person that have decisions, all must permit.
    #[must_use]
    pub fn link(mut self, index: Arc<PersonIndex>) -> Self {
        for decisions in &mut self.decisions {
            linked::strictest(&self.people, &index, decisions);
        }
        self.linked = Some(Arc::new(Linked::new(&self.people, index)));
        self
    }

    pub(super) fn linked(&self) -> Option<&Linked> {
        self.linked.as_deref()
    }

    /// Returns the number of the newest commit of the person index, where the run is linked.
    pub fn linkage_commit(&self) -> Option<u64> {
        self.linked.as_ref().map(|linked| linked.index().commit())
    }

    /// Returns everyone known, sorted; an index of the roster is a position here.
    pub fn people(&self) -> &[ContributorId] {
        self.people.ids()
    }

    /// Returns the index of a person.
    pub fn index(&self, id: &str) -> Option<u32> {
        self.people.index(id)
    }

    /// Returns the index of the person whom an id of any version stands for now: where the run is
    /// linked, two ids may have turned out to be one person.
    pub fn holder(&self, id: &ContributorId) -> Option<u32> {
        let id = self.linked.as_ref().map_or(id, |linked| linked.index().canonical(id));
        self.index(id.as_str())
    }

    pub(super) fn known(&self) -> &People {
        &self.people
    }

    /// Returns the key of a person's commitments.
    ///
    /// # Panics
    /// If `index` is none of [`Admission::people`]: a key of nobody would hide a broken roster.
    #[expect(clippy::panic, reason = "a commitment under no key would be worse")]
    pub fn key(&self, index: u32) -> &[u8; 32] {
        match self.people.key(index) {
            Some(key) => key,
            None => panic!("index {index} is none of the {} people", self.people().len()),
        }
    }

    /// Returns the purposes asked for, sorted.
    pub fn purposes(&self) -> &[Purpose] {
        &self.purposes
    }

    /// Returns the number of the newest consent commit that it rests on.
    pub fn commit(&self) -> u64 {
        self.commit
    }

    /// Returns each person's decision for a cell; `None` where the scope did not ask for it.
    pub fn decisions(&self, institution: &InstitutionId, category: &str) -> Option<&[Decision]> {
        let found = |(own, kind): &(InstitutionId, String)| own == institution && kind == category;
        let at = self.cells.iter().position(found)?;
        self.decisions.get(at).map(Vec::as_slice)
    }

    /// Returns one person's decision; strangers and cells that were not asked for are refused.
    pub fn decision(&self, id: &str, institution: &InstitutionId, category: &str) -> Decision {
        let found = self.people.index(id).and_then(|index| {
            self.decisions(institution, category)?.get(usize::try_from(index).ok()?).copied()
        });
        found.unwrap_or(Decision::Refuse(super::Refusal::NoConsent))
    }

    /// Returns the SHA3-256 digest over purposes, cells and everyone's decisions. It does not hold
    /// the day: a run on another day with the same decisions has the same inputs.
    pub fn digest(&self) -> Sha3Digest {
        let mut hasher = Sha3_256::new();
        let mut text = |bytes: &[u8]| {
            hasher.update((bytes.len() as u64).to_be_bytes());
            hasher.update(bytes);
        };
        text(b"almoner/admission/v1");
        text(&(self.purposes.len() as u64).to_be_bytes());
        self.purposes.iter().for_each(|purpose| text(purpose.as_str().as_bytes()));
        text(&(self.cells.len() as u64).to_be_bytes());
        for (institution, category) in &self.cells {
            text(institution.as_str().as_bytes());
            text(category.as_bytes());
        }
        let mut line = Vec::with_capacity(64);
        let mut columns: Vec<_> = self.decisions.iter().map(|column| column.iter()).collect();
        for id in self.people() {
            line.clear();
            line.extend(columns.iter_mut().filter_map(Iterator::next).map(|d| d.code()));
            line.extend_from_slice(id.as_str().as_bytes());
            text(&line);
        }
        if let Some(linked) = &self.linked {
            text(b"almoner/linked/v1");
            let mut institutions: Vec<_> = self.cells.iter().map(|(id, _)| id).collect();
            institutions.dedup();
            linked.each(&institutions, &mut text);
        }
        Sha3Digest(hasher.finalize().into())
    }
}

fn fit(fits: &[Fit], terms: u32) -> Fit {
    let found = usize::try_from(terms).ok().and_then(|at| fits.get(at)).copied();
    found.unwrap_or(Fit { grant: Decision::Refuse(super::Refusal::NoConsent), withdrawal: true })
}
