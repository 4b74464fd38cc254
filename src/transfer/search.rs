//! Every order in which the files of two transfers can come, with an attacker between the two
//! institutions and the patients: agreement and secrecy, by the very states that the acts use.
//!
//! The attacker holds all files: drops, replays and swaps them between transfers and in time. What
//! is signed is taken to be unforgeable and what is sealed to open under its key alone
//! ([`Authentic::assumed`], [`SealKey`]). Each [`Weak`] takes one binding away: the attacker may then
//! write what it bound, or an end forgets a check. The search must find the attack that opens.

mod world;

use std::collections::BTreeMap;

use super::{
    Accept, ApproverSigner as _, Authentic, Challenge, Clock, Commitment, ConsentFault,
    Encapsulated, HpkeKey, Info, Licences, Nonce, Offer, Parcel, Part, Payload, Receipt, Refusal,
    RefusalAct, Release, TransferKey,
    sample::{Case, clock, day},
};
use crate::{digest::Sha3Digest, signed_note::Verifier};

use self::world::{Attack, search};

/// One binding or check that is taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weak {
    /// A challenge does not name its offer.
    ChallengeNames,
    /// A challenge's key is not signed.
    ChallengeKey,
    /// An accept does not name its offer.
    AcceptOffer,
    /// An accept does not name its challenge.
    AcceptChallenge,
    /// An accept is not signed.
    AcceptSigner,
    /// A parcel's head names neither offer, challenge nor accept.
    ParcelNames,
    /// A parcel's key is not bound to the handshake.
    Info,
    /// A receipt names neither parcel nor content.
    ReceiptNames,
    /// The sender looks at no clock.
    Clock,
    /// The sender judges consent once, at the offer.
    Consent,
    /// The sender takes no patient's no.
    Refusals,
}

/// What opens a sealed content: equal keys, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
struct SealKey {
    recipient: HpkeKey,
    sender: HpkeKey,
    info: Option<Info>,
    enc: Encapsulated,
}

impl SealKey {
    fn commitment(&self) -> Commitment {
        Commitment(Sha3Digest::of(format!("{self:?}").as_bytes()).0)
    }
}

/// A sealed content: its key, and whose record it is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct SealedContent {
    key: SealKey,
    of: usize,
}

/// A file that somebody made, or that the attacker wrote.
#[derive(Debug, Clone)]
enum File {
    Challenge(Authentic<Challenge>),
    Accept(Authentic<Accept>),
    Refusal(Authentic<Refusal>),
    Parcel(Authentic<Parcel>, SealedContent),
    Receipt(Authentic<Receipt>),
}

/// The two transfers, and every file that was made in some order.
struct Files {
    cases: [Case; 2],
    offers: [Authentic<Offer>; 2],
    weak: Vec<Weak>,
    all: Vec<File>,
    index: BTreeMap<(&'static str, Sha3Digest), usize>,
    /// What was made before, by its kind and what it was made of: a digest is worked out once.
    made: BTreeMap<(&'static str, [usize; 3]), Option<usize>>,
}

impl Files {
    fn new(weak: &[Weak]) -> Self {
        let cases = [Case::numbered(1), Case::numbered(2)];
        let offers = cases.each_ref().map(|case| assumed(case.offer(), &case.a.party.steward));
        let (index, made) = (BTreeMap::new(), BTreeMap::new());
        Self { cases, offers, weak: weak.to_vec(), all: Vec::new(), index, made }
    }

    fn is(&self, weak: Weak) -> bool {
        self.weak.contains(&weak)
    }

    /// Makes a file of others, once.
    fn once(
        &mut self,
        kind: &'static str,
        of: [usize; 3],
        make: impl FnOnce(&Self) -> Option<File>,
    ) -> Option<usize> {
        if let Some(made) = self.made.get(&(kind, of)) {
            return *made;
        }
        let made = make(self).map(|file| self.number(file));
        self.made.insert((kind, of), made);
        made
    }

    /// Gives a file its number, the same each time it is made.
    fn number(&mut self, file: File) -> usize {
        let key = match &file {
            File::Challenge(file) => (Challenge::NAME, *file.digest()),
            File::Accept(file) => (Accept::NAME, *file.digest()),
            File::Refusal(file) => (Refusal::NAME, *file.digest()),
            File::Parcel(file, _) => (Parcel::NAME, *file.digest()),
            File::Receipt(file) => (Receipt::NAME, *file.digest()),
        };
        *self.index.entry(key).or_insert_with(|| {
            self.all.push(file);
            self.all.len() - 1
        })
    }

    fn challenge(&self, number: usize) -> Option<&Authentic<Challenge>> {
        let File::Challenge(file) = &self.all[number] else { return None };
        Some(file)
    }

    fn accept(&self, number: usize) -> Option<&Authentic<Accept>> {
        let File::Accept(file) = &self.all[number] else { return None };
        Some(file)
    }

    /// The receiver's challenge of transfer `of`; a second try has another nonce.
    fn make_challenge(&mut self, of: usize, again: bool) -> Option<usize> {
        self.once(Challenge::NAME, [of, usize::from(again), 0], |files| {
            let (case, nonce) = (&files.cases[of], Nonce([u8::from(again); 32]));
            let challenge = case.challenge(files.offers[of].digest());
            let challenge = Challenge { nonce, ..challenge };
            Some(File::Challenge(assumed(challenge, &case.b.party.steward)))
        })
    }

    /// What the attacker may make of a challenge for the one who holds offer `of`.
    fn challenges(&mut self, number: usize, of: usize) -> Vec<usize> {
        let Some(file) = self.challenge(number).cloned() else { return Vec::new() };
        let mut made = vec![number];
        if self.is(Weak::ChallengeNames) {
            let (transfer, offer) = (self.cases[of].id, *self.offers[of].digest());
            let written = Challenge { transfer, offer, ..file.payload().clone() };
            made.push(self.number(File::Challenge(assumed(written, file.by()))));
        }
        if self.is(Weak::ChallengeKey) {
            let hpke = TransferKey::derive(&[0xee; 32]).public();
            let written = Challenge { hpke, ..file.payload().clone() };
            made.push(self.number(File::Challenge(assumed(written, file.by()))));
        }
        made
    }

    /// What a patient who is shown an offer and a challenge signs: as `almoner approve` does, if the
    /// offer asks for their key and the challenge answers it.
    fn sign(&mut self, patient: usize, offer: usize, challenge: usize) -> Option<usize> {
        self.once(Accept::NAME, [patient, offer, challenge], |files| {
            let key = files.cases[patient].patient.key();
            let shown = files.challenge(challenge)?;
            let (asked, digest) = (files.offers[offer].payload(), files.offers[offer].digest());
            if !asked.approvers.iter().any(|a| a.key == *key) || shown.payload().offer != *digest {
                return None;
            }
            let accept = files.cases[offer].accept(digest, shown.digest());
            Some(File::Accept(assumed(accept, key)))
        })
    }

    /// What the attacker may make of an accept for the one who holds offer `of` and a challenge.
    fn accepts(&mut self, number: usize, of: usize, challenge: usize) -> Vec<usize> {
        let Some(file) = self.accept(number).cloned() else { return Vec::new() };
        let Some(challenge) = self.challenge(challenge).map(|c| *c.digest()) else {
            return Vec::new();
        };
        let (transfer, offer) = (self.cases[of].id, *self.offers[of].digest());
        let mut written = file.payload().clone();
        if self.is(Weak::AcceptOffer) {
            written = Accept { transfer, offer, ..written };
        }
        if self.is(Weak::AcceptChallenge) {
            written = Accept { challenge, ..written };
        }
        let mut made = vec![number];
        if written != *file.payload() {
            made.push(self.number(File::Accept(assumed(written, file.by()))));
        }
        made
    }

    /// An accept that nobody signed.
    fn forge(&mut self, of: usize, challenge: usize) -> Option<usize> {
        let shown = *self.challenge(challenge)?.digest();
        let accept = self.cases[of].accept(self.offers[of].digest(), &shown);
        let accept = Accept { decided: day(4), ..accept };
        let key = self.cases[of].patient.key().clone();
        Some(self.number(File::Accept(assumed(accept, &key))))
    }

    fn refuse(&mut self, of: usize) -> Option<usize> {
        self.once(Refusal::NAME, [of; 3], |files| {
            let case = &files.cases[of];
            let refusal = case.refusal(files.offers[of].digest(), RefusalAct::Revoke);
            Some(File::Refusal(assumed(refusal, case.patient.key())))
        })
    }

    /// Seals record `of` under the key that was released for a challenge and an accept.
    fn seal(
        &mut self,
        of: usize,
        challenge: usize,
        accept: usize,
        release: &Release,
    ) -> Option<usize> {
        self.once(Parcel::NAME, [of, challenge, accept], |files| {
            let case = &files.cases[of];
            let challenge = *files.challenge(challenge)?.digest();
            let accept = *files.accept(accept)?.digest();
            let enc = Encapsulated(Sha3Digest::of(accept.as_bytes()).0);
            let info = (!files.is(Weak::Info)).then(|| release.info().clone());
            let (recipient, sender) = (*release.recipient(), case.a.party.hpke);
            let key = SealKey { recipient, sender, info, enc };
            let bytes = case.manifest().bytes;
            let parcel = Parcel {
                transfer: case.id,
                offer: *files.offers[of].digest(),
                challenge,
                accept,
                enc,
                commitment: key.commitment(),
                chunks: 1,
                bytes,
                parts: vec![Part { bytes: bytes + 16, digest: Sha3Digest::of(&enc.0) }],
                issued: day(4),
            };
            let file = assumed(parcel, &case.a.party.steward);
            Some(File::Parcel(file, SealedContent { key, of }))
        })
    }

    /// What the attacker may make of a parcel for a receiver with these files.
    fn parcels(
        &self,
        number: usize,
        of: usize,
        challenge: usize,
        accept: usize,
    ) -> Vec<(Authentic<Parcel>, SealedContent)> {
        let File::Parcel(file, content) = &self.all[number] else { return Vec::new() };
        let mut made = vec![(file.clone(), content.clone())];
        if self.is(Weak::ParcelNames)
            && let (Some(challenge), Some(accept)) =
                (self.challenge(challenge), self.accept(accept))
        {
            let written = Parcel {
                transfer: self.cases[of].id,
                offer: *self.offers[of].digest(),
                challenge: *challenge.digest(),
                accept: *accept.digest(),
                ..file.payload().clone()
            };
            made.push((assumed(written, file.by()), content.clone()));
        }
        made
    }

    fn receipt(&mut self, of: usize, parcel: &Authentic<Parcel>) -> usize {
        let case = &self.cases[of];
        let file = assumed(case.receipt(parcel.digest()), &case.b.party.steward);
        self.number(File::Receipt(file))
    }

    /// What the attacker may make of a receipt for a sender of this parcel.
    fn receipts(
        &mut self,
        number: usize,
        of: usize,
        parcel: &Authentic<Parcel>,
    ) -> Vec<Authentic<Receipt>> {
        let File::Receipt(file) = self.all[number].clone() else { return Vec::new() };
        let mut made = vec![file.clone()];
        if self.is(Weak::ReceiptNames) {
            made.push(assumed(self.cases[of].receipt(parcel.digest()), file.by()));
        }
        made
    }
}

fn assumed<T: Payload>(payload: T, by: &Verifier) -> Authentic<T> {
    Authentic::assumed(payload, by)
}

fn attack(weak: &[Weak]) -> Option<Attack> {
    search(weak).err()
}

#[test]
fn no_order_of_the_files_of_two_transfers_breaks_agreement_or_secrecy() {
    match search(&[]) {
        Ok(seen) => {
            println!("{} worlds, {} of them with both records received", seen.worlds, seen.both);
            assert!(seen.worlds > 5_000, "the search is too small to mean anything");
            assert!(
                seen.both > 0 && seen.ended > 0,
                "no order of the files ends well, or ends early"
            );
        }
        Err(attack) => panic!("{attack}"),
    }
}

#[test]
fn each_binding_that_is_taken_away_opens_an_attack() {
    for (weak, what) in [
        (vec![Weak::ChallengeNames], "a challenge that the receiver did not make for this offer"),
        (vec![Weak::ChallengeKey], "a key that is not the receiver's"),
        (vec![Weak::AcceptChallenge], "an accept of another challenge"),
        (vec![Weak::AcceptOffer, Weak::AcceptChallenge], "an accept of another challenge"),
        (vec![Weak::AcceptSigner], "an accept that the patient did not sign"),
        (vec![Weak::ParcelNames, Weak::Info], "another patient's record"),
        (vec![Weak::ReceiptNames], "a receipt without its record"),
        (vec![Weak::Clock], "sent after the end"),
        (vec![Weak::Consent], "sent after consent was withdrawn"),
        (vec![Weak::Refusals], "sent after the patient said no"),
    ] {
        let found = attack(&weak);
        let found = found.unwrap_or_else(|| panic!("without {weak:?} the search finds no attack"));
        assert_eq!(found.what, what, "without {weak:?}:\n{found}");
    }
}

#[test]
fn what_is_bound_twice_holds_when_one_of_the_two_is_taken_away() {
    // The challenge names the offer, and the key is bound to all three: a belt and braces.
    for weak in [Weak::AcceptOffer, Weak::ParcelNames, Weak::Info] {
        if let Some(found) = attack(&[weak]) {
            panic!("without {weak:?} alone:\n{found}");
        }
    }
}

fn at(expired: bool) -> Clock {
    clock(if expired { day(16) } else { day(5) })
}

fn consent(withdrawn: bool) -> Result<(), ConsentFault> {
    if withdrawn { Err(ConsentFault::Withdrawn) } else { Ok(()) }
}

const STAND: Licences = Licences::STAND;
