//! A record goes from one institution to another once the person it tells of has said yes: offer,
//! challenge, accept, parcel, receipt, each a signed file in a store, each a state of its own type.
//!
//! Comes in: files that anyone may have touched, two institutions' keys, an instant. Goes out: the
//! next state, or why not. Never: a record to one whom the patient did not name, or a person's data
//! in an error.

mod approver;
mod authentic;
mod booked;
mod chunk;
mod compartment;
mod consented;
mod demographics;
mod id;
mod identity;
mod keys;
mod pair;
mod parcel;
mod refused;
mod release;
mod resource;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod search;
mod select;
mod signed;
pub mod state;
mod tally;
mod unpack;
pub mod wire;
mod words;

pub use self::{
    approver::{ApproverError, ApproverSigner, KeyFile},
    authentic::{Authentic, Party},
    booked::{Booked, BookedBatch, BookingError, batch_root},
    chunk::{CHUNK_BYTES, Info, PART_CHUNKS},
    consented::{Again, Asked, Consented, Consents, Registered},
    demographics::Demographics,
    id::{Commitment, Encapsulated, HexError, HpkeKey, Nonce, TransferId},
    identity::{Conflict, Found, Match, Roll, evidence, judge, tokens},
    keys::{TransferKey, WeakKey},
    pair::PairSecret,
    parcel::{Fault, OpenKeys, ParcelError, SealKeys, Sealed, open, seal},
    refused::{BookedFault, Cause, ChunkFault, LicenceFault, Mismatch, PartFault, Refused},
    release::Release,
    select::{Keep, SelectError, Selected, Wanted, each_patient, select},
    signed::{FILE_BYTES_MAX, Payload, Signed},
    state::{Accepted, Challenged, Clock, ConsentFault, Ends, Licences, Offered, Received, Sent},
    unpack::{Note, UnpackError, Unpacked, Unpacking, unpacked},
    wire::{
        Accept, ApproverKey, Challenge, ConsentRef, EndReason, Ended, Evidence, FileEntry,
        Manifest, Offer, PairToken, Parcel, Part, Receipt, ReceivedFile, Refusal, RefusalAct, Role,
        Side, Withheld,
    },
};
