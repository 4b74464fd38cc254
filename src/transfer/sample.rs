//! Two institutions, a patient and a delegate with keys, and every file of one transfer between
//! them, for the tests of this room.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::json;

use super::{
    Accept, ApproverKey, ApproverSigner as _, Authentic, BookedBatch, Challenge, Clock, ConsentRef,
    Ends, Evidence, FileEntry, KeyFile, Licences, Manifest, Nonce, Offer, PairToken, Parcel, Party,
    Payload, Receipt, Refusal, RefusalAct, Refused, Role, Side, Signed, TransferId, TransferKey,
    Withheld, batch_root, state::Accepted, wire,
};
use crate::{
    digest::{Sha3Digest, Sha256},
    instant::Instant,
    ledger::{Entry, tree},
    party::InstitutionId,
    signed_note::Signer,
};

pub(super) fn at(text: &str) -> Instant {
    Instant::parse(text).unwrap()
}

/// Noon of a day of November.
pub(super) fn day(day: u32) -> Instant {
    at(&format!("2026-11-{day:02}T12:00:00Z"))
}

pub(super) fn clock(now: Instant) -> Clock {
    Clock { now, skew_seconds: 300 }
}

pub(super) struct Site {
    pub(super) party: Party,
    pub(super) steward: Signer,
    pub(super) key: TransferKey,
}

impl Site {
    pub(super) fn new(name: &str, seed: u8) -> Self {
        let origin = format!("{name}.example/ledger");
        let steward = Signer::from_seed(&format!("{origin}/steward"), &[seed; 32]).unwrap();
        let key = TransferKey::derive(&[seed; 32]);
        let institution = InstitutionId::parse(name).unwrap();
        let party = Party {
            side: Side { institution, origin },
            steward: steward.verifier().clone(),
            hpke: key.public(),
        };
        Self { party, steward, key }
    }

    pub(super) fn us(&self) -> &InstitutionId {
        &self.party.side.institution
    }

    /// Signs a payload and books it, second of a batch of three, about `partner`.
    pub(super) fn file<T: Payload>(&self, payload: T, partner: &Self) -> Signed<T> {
        let signed = Signed::sign(payload, &self.steward).unwrap();
        self.book(signed, partner)
    }

    pub(super) fn book<T: Payload>(&self, signed: Signed<T>, partner: &Self) -> Signed<T> {
        let digest = signed.digest().unwrap();
        let files = [Sha3Digest::of(b"before"), digest, Sha3Digest::of(b"after")];
        let entry = self.entry::<T>(&files, partner);
        let booked = BookedBatch::new(&entry, &files).unwrap().prove(1, &self.steward).unwrap();
        signed.with(booked)
    }

    pub(super) fn entry<T: Payload>(&self, files: &[Sha3Digest], partner: &Self) -> Entry {
        let (origin, time) = (&self.party.side.origin, day(2));
        let body = json!({
            "partner": partner.us().as_str(),
            "count": "<10",
            "root": batch_root(files).to_string(),
        });
        let body = body.as_object().unwrap();
        Entry::sign(T::KIND, origin, time, &[], &[], body, &self.steward).unwrap()
    }
}

/// All that one transfer needs.
pub(super) struct Case {
    pub(super) a: Site,
    pub(super) b: Site,
    pub(super) patient: KeyFile,
    pub(super) delegate: KeyFile,
    pub(super) id: TransferId,
    pub(super) content: Vec<u8>,
}

impl Case {
    pub(super) fn new() -> Self {
        Self::numbered(1)
    }

    /// The same two institutions; another patient, another delegate, another transfer.
    pub(super) fn numbered(n: u8) -> Self {
        let lines = [format!("{{\"n\":{n}}}"), "{\"resourceType\":\"Observation\"}".to_owned()];
        Self {
            a: Site::new("north-shore", 0xa),
            b: Site::new("lake-county", 0xb),
            patient: KeyFile::from_seed(&[0x10 + n; 32]).unwrap(),
            delegate: KeyFile::from_seed(&[0x20 + n; 32]).unwrap(),
            id: TransferId([n; 16]),
            content: lines.map(|line| line + "\n").concat().into_bytes(),
        }
    }

    pub(super) fn ends(&self) -> Ends {
        Ends { from: self.a.party.clone(), to: self.b.party.clone() }
    }

    pub(super) fn manifest(&self) -> Manifest {
        let lines: Vec<&[u8]> =
            self.content.split(|b| *b == b'\n').filter(|line| !line.is_empty()).collect();
        let file = |name: &str, line: &[u8]| FileEntry {
            name: name.to_owned(),
            resources: 1,
            bytes: u64::try_from(line.len()).unwrap() + 1,
            root: tree::root(&[line]),
        };
        Manifest {
            files: vec![file("Patient.ndjson", lines[0]), file("Observation.ndjson", lines[1])],
            root: tree::root(&lines),
            resources: 2,
            bytes: u64::try_from(self.content.len()).unwrap(),
            withheld: vec![Withheld {
                rule: "label R".to_owned(),
                class: "Condition".to_owned(),
                resources: 3,
            }],
        }
    }

    pub(super) fn approvers(&self) -> Vec<ApproverKey> {
        let key =
            |file: &KeyFile, role, until| ApproverKey { key: file.key().clone(), role, until };
        vec![
            key(&self.patient, Role::Patient, None),
            key(&self.delegate, Role::Delegate, Some(day(6))),
        ]
    }

    pub(super) fn offer(&self) -> Offer {
        Offer {
            transfer: self.id,
            from: self.a.party.side.clone(),
            to: self.b.party.side.clone(),
            purpose: "TREAT".to_owned(),
            issued: day(1),
            expires: day(15),
            tokens: vec![PairToken {
                set: "name+birth+sex".to_owned(),
                token: Sha256::of(&self.id.0),
            }],
            manifest: self.manifest(),
            consent: ConsentRef {
                documents: vec![Sha3Digest::of(b"consent")],
                decision: Sha3Digest::of(b"decision"),
            },
            approvers: self.approvers(),
        }
    }

    pub(super) fn challenge(&self, offer: &Sha3Digest) -> Challenge {
        Challenge {
            transfer: self.id,
            offer: *offer,
            by: self.b.party.side.clone(),
            nonce: Nonce([7; 32]),
            hpke: self.b.key.public(),
            licence: None,
            evidence: vec![Evidence { field: "birth".to_owned(), mac: Sha256::of(b"mac") }],
            issued: day(2),
        }
    }

    pub(super) fn accept(&self, offer: &Sha3Digest, challenge: &Sha3Digest) -> Accept {
        Accept {
            transfer: self.id,
            offer: *offer,
            challenge: *challenge,
            decided: day(3),
            role: Role::Patient,
        }
    }

    pub(super) fn refusal(&self, offer: &Sha3Digest, act: RefusalAct) -> Refusal {
        Refusal { transfer: self.id, offer: *offer, act, decided: day(3) }
    }

    pub(super) fn ended(&self, offer: &Sha3Digest, by: &Site) -> wire::Ended {
        wire::Ended {
            transfer: self.id,
            offer: *offer,
            by: by.party.side.clone(),
            why: wire::EndReason::Cancelled,
            at: day(3),
        }
    }

    pub(super) fn receipt(&self, parcel: &Sha3Digest) -> Receipt {
        Receipt {
            transfer: self.id,
            parcel: *parcel,
            manifest_root: self.manifest().root,
            files: self.manifest().received(),
            received: day(5),
        }
    }

    /// The offer as B gets it.
    pub(super) fn offered(&self) -> Result<super::Offered, Refused> {
        let offer = self.a.file(self.offer(), &self.b).received(&self.a.party, self.b.us())?;
        super::Offered::open(offer, self.ends(), clock(day(2)))
    }

    pub(super) fn challenged(&self) -> Result<super::Challenged, Refused> {
        let offered = self.offered()?;
        let file = self.challenge_of(offered.offer());
        offered.challenge(file, Ok(()), Licences::STAND, clock(day(2)))
    }

    pub(super) fn challenge_of(&self, offer: &Authentic<Offer>) -> Authentic<Challenge> {
        let file = self.b.file(self.challenge(offer.digest()), &self.a);
        file.received(&self.b.party, self.a.us()).unwrap()
    }

    pub(super) fn accepted(&self) -> Result<Accepted, Refused> {
        let challenged = self.challenged()?;
        let offer = challenged.offered().offer();
        let accept = self.accept(offer.digest(), challenged.challenge().digest());
        let accept = Signed::approve(accept, &self.patient).unwrap().approved(&self.approvers())?;
        challenged.accept(accept, &self.approvers(), clock(day(3)))
    }

    /// A's parcel, its head and its parts.
    pub(super) fn sealed(&self, accepted: &Accepted) -> (Parcel, BTreeMap<u32, Bytes>) {
        let mut parts = BTreeMap::new();
        let release =
            accepted.release(Ok(()), Licences::STAND, &self.approvers(), clock(day(4))).unwrap();
        let parcel = release
            .seal(&self.a.key, self.content.as_slice(), day(4), |index, part| {
                parts.insert(index, part);
                Ok(())
            })
            .unwrap();
        (parcel, parts)
    }

    pub(super) fn sent(&self) -> Result<(super::Sent, BTreeMap<u32, Bytes>), Refused> {
        let accepted = self.accepted()?;
        let (parcel, parts) = self.sealed(&accepted);
        let head = self.a.file(parcel, &self.b).received(&self.a.party, self.b.us())?;
        Ok((accepted.send(head, clock(day(5)))?, parts))
    }
}
