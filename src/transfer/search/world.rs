//! The worlds of the search: what both ends, the patients and the attacker hold, each step that any
//! of them may take next, and what must be true in every one.

use std::{
    collections::{BTreeSet, VecDeque},
    fmt,
};

use super::{Authentic, File, Files, Parcel, STAND, SealKey, Weak, at, consent};
use crate::transfer::state::{Accepted, Challenged, Ends, Offered, Received, Sent};

/// An attack: what must never be, and the steps that lead there.
pub(super) struct Attack {
    pub(super) what: &'static str,
    steps: Vec<String>,
}

impl fmt::Display for Attack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}:", self.what)?;
        self.steps.iter().try_for_each(|step| writeln!(f, "  {step}"))
    }
}

/// What was seen where no attack was found.
pub(super) struct Seen {
    pub(super) worlds: usize,
    /// Worlds in which both records were received.
    pub(super) both: usize,
    /// Worlds in which one transfer ended early.
    pub(super) ended: usize,
}

/// What the sender holds of one transfer; with the numbers of the files it took.
#[derive(Clone)]
enum Sender {
    Offered(Offered),
    Accepted(Accepted, usize, usize),
    Sent(Sent, usize, usize, usize),
    Received(Received),
    Ended,
}

/// What the receiver holds of one transfer.
#[derive(Clone)]
enum Receiver {
    Nothing,
    Challenged(Challenged, usize),
    /// It opened a record: whose, and from which parcel.
    Opened(usize, Authentic<Parcel>, usize),
}

#[derive(Clone)]
struct World {
    /// The files that were made, by number: the attacker holds them all.
    files: BTreeSet<usize>,
    senders: [Sender; 2],
    receivers: [Receiver; 2],
    /// Whether each patient said no.
    refused: [bool; 2],
    /// Whether the sender was handed that no while it could still heed it.
    told: [bool; 2],
    /// Whether each patient withdrew consent.
    withdrawn: [bool; 2],
    expired: bool,
}

/// What tells one world from another.
type Mark = (BTreeSet<usize>, [[usize; 4]; 2], [[usize; 2]; 2], [[bool; 2]; 3], bool);

impl World {
    fn begin(files: &Files) -> Self {
        let offered = |of: usize| {
            let ends = files.cases[of].ends();
            Sender::Offered(Offered::open(files.offers[of].clone(), ends, at(false)).unwrap())
        };
        Self {
            files: BTreeSet::new(),
            senders: [offered(0), offered(1)],
            receivers: [Receiver::Nothing, Receiver::Nothing],
            refused: [false; 2],
            told: [false; 2],
            withdrawn: [false; 2],
            expired: false,
        }
    }

    fn mark(&self) -> Mark {
        let sender = |sender: &Sender| match sender {
            Sender::Offered(_) => [0; 4],
            Sender::Accepted(_, challenge, accept) => [1, *challenge, *accept, 0],
            Sender::Sent(_, challenge, accept, parcel) => [2, *challenge, *accept, *parcel],
            Sender::Received(_) => [3, 0, 0, 0],
            Sender::Ended => [4, 0, 0, 0],
        };
        let receiver = |receiver: &Receiver| match receiver {
            Receiver::Nothing => [0, 0],
            Receiver::Challenged(_, challenge) => [1, *challenge],
            Receiver::Opened(of, _, receipt) => [2 + of, *receipt],
        };
        let flags = [self.refused, self.told, self.withdrawn];
        let receivers = self.receivers.each_ref().map(receiver);
        (self.files.clone(), self.senders.each_ref().map(sender), receivers, flags, self.expired)
    }

    /// Every world that one step of somebody leads to, and the step in words; or what must not be.
    fn next(&self, files: &mut Files) -> Result<Vec<(String, Self)>, (String, &'static str)> {
        let mut next = Vec::new();
        self.expires(&mut next);
        for of in 0..2 {
            self.patient_refuses(files, of, &mut next);
            self.receiver_challenges(files, of, &mut next);
            self.patient_signs(files, of, &mut next);
            self.sender_takes_accept(files, of, &mut next)?;
            self.sender_sends(files, of, &mut next)?;
            self.receiver_opens(files, of, &mut next)?;
            self.sender_takes_receipt(files, of, &mut next)?;
        }
        Ok(next)
    }

    /// Time passes.
    fn expires(&self, next: &mut Vec<(String, Self)>) {
        if !self.expired {
            next.push(("the offers expire".to_owned(), Self { expired: true, ..self.clone() }));
        }
    }

    /// Patient `of` withdraws consent or says no, and the sender is told.
    fn patient_refuses(&self, files: &mut Files, of: usize, next: &mut Vec<(String, Self)>) {
        let mut add = |step: &str, change: &dyn Fn(&mut Self)| {
            let mut world = self.clone();
            change(&mut world);
            next.push((format!("{step} {of}"), world));
        };
        if !self.withdrawn[of] {
            add("consent is withdrawn by patient", &|world| world.withdrawn[of] = true);
        }
        if let (false, Some(number)) = (self.refused[of], files.refuse(of)) {
            add("a no is said by patient", &|world| {
                world.refused[of] = true;
                world.files.insert(number);
            });
        }
        for number in &self.files {
            let File::Refusal(file) = &files.all[*number] else { continue };
            let offered = match &self.senders[of] {
                Sender::Offered(offered) => offered,
                Sender::Accepted(accepted, ..) => accepted.offered(),
                Sender::Sent(..) | Sender::Received(_) | Sender::Ended => continue,
            };
            if !self.told[of] && offered.refuse(file, at(self.expired)).is_ok() {
                let heeds = !files.is(Weak::Refusals);
                add("the sender is told of the no of patient", &|world| {
                    world.told[of] = true;
                    if heeds {
                        world.senders[of] = Sender::Ended;
                    }
                });
            }
        }
    }

    /// The receiver answers the offer; once it has, it may lose what it held and answer again.
    fn receiver_challenges(&self, files: &mut Files, of: usize, next: &mut Vec<(String, Self)>) {
        let again = match &self.receivers[of] {
            Receiver::Nothing => false,
            Receiver::Challenged(..) => true,
            Receiver::Opened(..) => return,
        };
        let ends: Ends = files.cases[of].ends();
        let Ok(offered) = Offered::open(files.offers[of].clone(), ends, at(self.expired)) else {
            return;
        };
        let Some(number) = files.make_challenge(of, again) else { return };
        let Some(challenge) = files.challenge(number).cloned() else { return };
        if let Ok(challenged) = offered.challenge(challenge, Ok(()), STAND, at(self.expired)) {
            let mut world = self.clone();
            world.files.insert(number);
            world.receivers[of] = Receiver::Challenged(challenged, number);
            next.push((format!("the receiver makes challenge {number} for offer {of}"), world));
        }
    }

    /// The attacker shows patient `of` any offer beside any challenge.
    fn patient_signs(&self, files: &mut Files, of: usize, next: &mut Vec<(String, Self)>) {
        if self.expired || self.refused[of] {
            return;
        }
        for (offer, made) in (0..2).flat_map(|offer| self.files.iter().map(move |f| (offer, *f))) {
            for challenge in files.challenges(made, offer) {
                let Some(accept) = files.sign(of, offer, challenge) else { continue };
                if self.files.contains(&accept) {
                    continue;
                }
                let mut world = self.clone();
                world.files.insert(accept);
                let step =
                    format!("patient {of} signs {accept} to offer {offer}, challenge {challenge}");
                next.push((step, world));
            }
        }
    }

    fn sender_takes_accept(
        &self,
        files: &mut Files,
        of: usize,
        next: &mut Vec<(String, Self)>,
    ) -> Result<(), (String, &'static str)> {
        let Sender::Offered(offered) = &self.senders[of] else { return Ok(()) };
        let clock = at(self.expired && !files.is(Weak::Clock));
        for made in &self.files {
            for challenge in files.challenges(*made, of) {
                let Some(file) = files.challenge(challenge).cloned() else { continue };
                let taken = offered.clone().challenge(file, Ok(()), STAND, clock);
                let Ok(challenged) = taken else { continue };
                let mut accepts: Vec<usize> = Vec::new();
                for made in &self.files {
                    accepts.extend(files.accepts(*made, of, challenge));
                }
                if files.is(Weak::AcceptSigner) {
                    accepts.extend(files.forge(of, challenge));
                }
                for accept in accepts {
                    let Some(file) = files.accept(accept).cloned() else { continue };
                    let approvers = files.cases[of].approvers();
                    let taken = challenged.clone().accept(file, &approvers, clock);
                    let Ok(accepted) = taken else { continue };
                    let step =
                        format!("sender {of} takes accept {accept} of challenge {challenge}");
                    self.check_accepted(files, of, &accepted, challenge, accept)
                        .map_err(|what| (step.clone(), what))?;
                    let mut world = self.clone();
                    world.senders[of] = Sender::Accepted(accepted, challenge, accept);
                    next.push((step, world));
                }
            }
        }
        Ok(())
    }

    /// What the sender takes for approved is what the receiver asked and the patient signed.
    fn check_accepted(
        &self,
        files: &Files,
        of: usize,
        accepted: &Accepted,
        challenge: usize,
        accept: usize,
    ) -> Result<(), &'static str> {
        if *accepted.recipient() != files.cases[of].b.key.public() {
            return Err("a key that is not the receiver's");
        }
        if !self.files.contains(&challenge) {
            return Err("a challenge that the receiver did not make for this offer");
        }
        if self.files.contains(&accept) {
            return Ok(()); // As the patient signed it: it names this offer and this challenge.
        }
        Err(if files.is(Weak::AcceptSigner) {
            "an accept that the patient did not sign"
        } else {
            "an accept of another challenge"
        })
    }

    fn sender_sends(
        &self,
        files: &mut Files,
        of: usize,
        next: &mut Vec<(String, Self)>,
    ) -> Result<(), (String, &'static str)> {
        let Sender::Accepted(accepted, challenge, accept) = &self.senders[of] else {
            return Ok(());
        };
        let clock = at(self.expired && !files.is(Weak::Clock));
        let judged = consent(self.withdrawn[of] && !files.is(Weak::Consent));
        let approvers = files.cases[of].approvers();
        let Ok(release) = accepted.release(judged, STAND, &approvers, clock) else { return Ok(()) };
        let Some(parcel) = files.seal(of, *challenge, *accept, &release) else { return Ok(()) };
        let File::Parcel(file, _) = files.all[parcel].clone() else { return Ok(()) };
        let Ok(sent) = accepted.clone().send(file, clock) else { return Ok(()) };
        let step = format!("sender {of} sends parcel {parcel}");
        let never = [
            (self.expired, "sent after the end"),
            (self.withdrawn[of], "sent after consent was withdrawn"),
            (self.told[of], "sent after the patient said no"),
        ];
        if let Some((_, what)) = never.into_iter().find(|(is, _)| *is) {
            return Err((step, what));
        }
        let mut world = self.clone();
        world.files.insert(parcel);
        world.senders[of] = Sender::Sent(sent, *challenge, *accept, parcel);
        next.push((step, world));
        Ok(())
    }

    fn receiver_opens(
        &self,
        files: &mut Files,
        of: usize,
        next: &mut Vec<(String, Self)>,
    ) -> Result<(), (String, &'static str)> {
        let Receiver::Challenged(challenged, challenge) = &self.receivers[of] else {
            return Ok(());
        };
        let (clock, approvers) = (at(self.expired), files.cases[of].approvers());
        for made in &self.files {
            for accept in files.accepts(*made, of, *challenge) {
                let Some(file) = files.accept(accept).cloned() else { continue };
                let taken = challenged.clone().accept(file, &approvers, clock);
                let Ok(accepted) = taken else { continue };
                for made in &self.files {
                    for (head, content) in files.parcels(*made, of, *challenge, accept) {
                        let Ok(sent) = accepted.clone().send(head.clone(), clock) else { continue };
                        let own = SealKey {
                            recipient: *accepted.recipient(),
                            sender: accepted.offered().ends().from.hpke,
                            info: (!files.is(Weak::Info)).then(|| accepted.info()),
                            enc: head.payload().enc,
                        };
                        // The manifest's root would refuse another's record as well; the handshake
                        // must hold without it.
                        if head.payload().commitment != own.commitment() || content.key != own {
                            continue;
                        }
                        let step = format!("receiver {of} opens parcel {made}");
                        let same = |sender: &Sender| match sender {
                            Sender::Sent(theirs, ..) => theirs.parcel() == sent.parcel(),
                            Sender::Received(theirs) => theirs.sent().parcel() == sent.parcel(),
                            Sender::Offered(_) | Sender::Accepted(..) | Sender::Ended => false,
                        };
                        if content.of != of {
                            return Err((step, "another patient's record"));
                        }
                        if !same(&self.senders[of]) && !files.is(Weak::ParcelNames) {
                            return Err((
                                step,
                                "a parcel that the sender did not send for this offer",
                            ));
                        }
                        let receipt = files.receipt(of, &head);
                        let mut world = self.clone();
                        world.files.insert(receipt);
                        world.receivers[of] = Receiver::Opened(content.of, head, receipt);
                        next.push((step, world));
                    }
                }
            }
        }
        Ok(())
    }

    fn sender_takes_receipt(
        &self,
        files: &mut Files,
        of: usize,
        next: &mut Vec<(String, Self)>,
    ) -> Result<(), (String, &'static str)> {
        let Sender::Sent(sent, ..) = &self.senders[of] else { return Ok(()) };
        for made in &self.files {
            for file in files.receipts(*made, of, sent.parcel()) {
                let Ok(received) = sent.clone().receive(file, at(self.expired)) else { continue };
                let step = format!("sender {of} takes receipt {made}");
                let opened = match &self.receivers[of] {
                    Receiver::Opened(whose, parcel, _) => *whose == of && parcel == sent.parcel(),
                    Receiver::Nothing | Receiver::Challenged(..) => false,
                };
                if !opened && !files.is(Weak::ParcelNames) {
                    return Err((step, "a receipt without its record"));
                }
                let mut world = self.clone();
                world.senders[of] = Sender::Received(received);
                next.push((step, world));
            }
        }
        Ok(())
    }
}

/// Visits every world that some order of steps leads to.
pub(super) fn search(weak: &[Weak]) -> Result<Seen, Attack> {
    let mut files = Files::new(weak);
    let begin = World::begin(&files);
    let mut seen = Seen { worlds: 0, both: 0, ended: 0 };
    let mut marks = BTreeSet::from([begin.mark()]);
    let mut came: Vec<(usize, String)> = vec![(0, "both records are offered".to_owned())];
    let mut queue = VecDeque::from([(0, begin)]);
    while let Some((number, world)) = queue.pop_front() {
        seen.worlds += 1;
        let received = |sender: &Sender| matches!(sender, Sender::Received(_));
        seen.both += usize::from(world.senders.iter().all(received));
        seen.ended += usize::from(matches!(world.senders[0], Sender::Ended));
        let next = world.next(&mut files).map_err(|(step, what)| {
            let mut steps = vec![step];
            let mut at = number;
            while at != 0 {
                let (before, step) = &came[at];
                steps.push(step.clone());
                at = *before;
            }
            steps.reverse();
            Attack { what, steps }
        })?;
        for (step, world) in next {
            if marks.insert(world.mark()) {
                came.push((number, step));
                queue.push_back((came.len() - 1, world));
            }
        }
    }
    Ok(seen)
}
