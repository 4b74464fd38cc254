//! Whom to believe (C2SP tlog-policy): known logs, known witnesses, and how many of them it takes.
//!
//! Comes in: a policy file's bytes. Goes out: a [`Policy`] that says whether cosigners suffice.
//! Never: a policy that could be read two ways, or a witness that counts twice.

#![cfg_attr(
    not(test),
    deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)
)]

use std::collections::BTreeMap;

use url::Url;

use crate::signed_note::{self, KeyUse, Verifier, Vouched};

/// The most lines that are read.
const LINES_MAX: usize = 10_000;

/// The name of the quorum that asks for no witness.
const NONE: &str = "none";

/// What is wrong with a policy file, and in which line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {fault}")]
pub struct Error {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong there.
    pub fault: Fault,
}

/// What is wrong with a line of a policy file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It holds a control character.
    #[error("it holds a control character other than a tab")]
    Control,
    /// Its first word is none that a policy knows.
    #[error("a line begins with log, witness, group, quorum or #, not with `{0}`")]
    Keyword(String),
    /// It has too few or too many words.
    #[error("it reads: {0}")]
    Words(&'static str),
    /// Its key is no vkey.
    #[error("its key is refused: {0}")]
    Key(#[from] signed_note::Error),
    /// Its key is of the other use.
    #[error("a log's key signs notes (type 0x01) and a witness's cosigns them (type 0x04)")]
    KeyUse,
    /// Its key stands in an earlier line.
    #[error("its key stands in line {0} already")]
    KeyTwice(usize),
    /// Its URL is none.
    #[error("its URL begins with http:// or https:// and names a host")]
    Url,
    /// It defines a name a second time, or a reserved one.
    #[error("the name `{0}` is taken")]
    Name(String),
    /// It refers to a name that no line before it defines.
    #[error("no line before it defines `{0}`")]
    Unknown(String),
    /// A member of a group is a member of a group already.
    #[error("`{0}` is a member of a group already")]
    Member(String),
    /// A group's threshold is none from 1 to the number of its members.
    #[error("a group's threshold is all, any, or a number from 1 to {0}, how many members it has")]
    Threshold(usize),
    /// There is a second quorum.
    #[error("there is a quorum in line {0} already")]
    QuorumTwice(usize),
    /// There is no quorum.
    #[error("there is no quorum line; `quorum none` asks for no witness")]
    NoQuorum,
    /// There are more lines than are read.
    #[error("there are more than {LINES_MAX} lines")]
    TooLong,
}

/// A log or witness of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party {
    /// Its name in the policy; a log goes by its origin.
    pub name: String,
    /// Its key.
    pub key: Verifier,
    /// Where it is asked; a witness's submission prefix.
    pub url: Option<Url>,
}

/// A rule for whom to believe: <https://c2sp.org/tlog-policy>.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    logs: Vec<Party>,
    witnesses: Vec<Party>,
    groups: Vec<Group>,
    /// What must have witnessed a checkpoint; none asks for nobody.
    quorum: Option<Member>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Group {
    threshold: usize,
    // INVARIANT: a member that is a group stands earlier than this one, so no group holds itself.
    members: Vec<Member>,
}

/// One that can have witnessed a checkpoint, by its place among its like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Member {
    Witness(usize),
    Group(usize),
}

impl Policy {
    /// Reads a policy file. Names are bytes to the standard; what is not UTF-8 is told apart here too.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let mut reading = Reading::default();
        let mut last = 1;
        for (line, text) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
            last = line;
            let read =
                if line > LINES_MAX { Err(Fault::TooLong) } else { reading.line(line, text) };
            read.map_err(|fault| Error { line, fault })?;
        }
        let Some((_, quorum)) = reading.quorum else {
            return Err(Error { line: last, fault: Fault::NoQuorum });
        };
        let Reading { logs, witnesses, groups, .. } = reading;
        let parties = |lined: Vec<(usize, Party)>| lined.into_iter().map(|(_, party)| party);
        Ok(Self {
            logs: parties(logs).collect(),
            witnesses: parties(witnesses).collect(),
            groups,
            quorum,
        })
    }

    /// Returns the logs, in the file's order. A policy without one is for any log known otherwise.
    pub fn logs(&self) -> &[Party] {
        &self.logs
    }

    /// Returns the witnesses, in the file's order.
    pub fn witnesses(&self) -> &[Party] {
        &self.witnesses
    }

    /// Says whether it asks for any witness at all.
    pub fn asks(&self) -> bool {
        self.quorum.is_some()
    }

    /// Returns all its keys: what a note is to be opened with.
    pub fn keys(&self) -> Vec<Verifier> {
        self.logs.iter().chain(&self.witnesses).map(|party| party.key.clone()).collect()
    }

    /// Says whether those who signed a checkpoint suffice. That the log itself is among them is
    /// [`super::Checkpoint::open`]'s to say.
    pub fn satisfied(&self, by: &[Vouched]) -> bool {
        self.satisfied_by(|key| by.iter().any(|vouched| vouched.by == *key))
    }

    /// Says whether the witnesses suffice of which `signed` says that they cosigned.
    pub fn satisfied_by(&self, signed: impl Fn(&Verifier) -> bool) -> bool {
        let signed: Vec<bool> = self.witnesses.iter().map(|witness| signed(&witness.key)).collect();
        let mut met: Vec<bool> = Vec::new();
        let of = |member: Member, met: &[bool]| match member {
            Member::Witness(at) => signed.get(at).copied().unwrap_or(false),
            Member::Group(at) => met.get(at).copied().unwrap_or(false),
        };
        for group in &self.groups {
            let count = group.members.iter().filter(|member| of(**member, &met)).count();
            met.push(count >= group.threshold);
        }
        self.quorum.is_none_or(|quorum| of(quorum, &met))
    }
}

/// Whom a reader believes: keys of logs and witnesses, and how many of the witnesses it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Believed {
    keys: Vec<Verifier>,
    policy: Option<Policy>,
}

impl Believed {
    /// Joins keys that are believed anyway with those of a policy.
    pub fn new(mut keys: Vec<Verifier>, policy: Option<Policy>) -> Self {
        for key in policy.iter().flat_map(Policy::keys) {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        Self { keys, policy }
    }

    /// Returns the keys: what a note is to be opened with.
    pub fn keys(&self) -> &[Verifier] {
        &self.keys
    }

    /// Says whether those who signed a checkpoint suffice; without a policy its log suffices.
    pub fn suffices(&self, by: &[Vouched]) -> bool {
        self.policy.as_ref().is_none_or(|policy| policy.satisfied(by))
    }
}

/// A policy while it is read.
#[derive(Default)]
struct Reading {
    logs: Vec<(usize, Party)>,
    witnesses: Vec<(usize, Party)>,
    groups: Vec<Group>,
    /// What each name stands for, and whether a group has it as a member.
    names: BTreeMap<Vec<u8>, (Member, bool)>,
    quorum: Option<(usize, Option<Member>)>,
}

impl Reading {
    fn line(&mut self, line: usize, text: &[u8]) -> Result<(), Fault> {
        if text.iter().any(|byte| (*byte < 0x20 && *byte != b'\t') || *byte == 0x7f) {
            return Err(Fault::Control);
        }
        let spaces = |byte: &u8| matches!(byte, b' ' | b'\t');
        let words: Vec<&[u8]> = text.split(spaces).filter(|word| !word.is_empty()).collect();
        match words.as_slice() {
            [] => Ok(()),
            [first, ..] if first.starts_with(b"#") => Ok(()),
            [b"log", vkey] => self.log(line, vkey, None),
            [b"log", vkey, url] => self.log(line, vkey, Some(url)),
            [b"log", ..] => Err(Fault::Words("log VKEY [URL]")),
            [b"witness", name, vkey] => self.witness(line, name, vkey, None),
            [b"witness", name, vkey, url] => self.witness(line, name, vkey, Some(url)),
            [b"witness", ..] => Err(Fault::Words("witness NAME VKEY [URL]")),
            [b"group", name, threshold, members @ ..] if !members.is_empty() => {
                self.group(name, threshold, members)
            }
            [b"group", ..] => Err(Fault::Words("group NAME all|any|NUMBER MEMBER…")),
            [b"quorum", name] => self.set_quorum(line, name),
            [b"quorum", ..] => Err(Fault::Words("quorum NAME|none")),
            [other, ..] => Err(Fault::Keyword(shown(other))),
        }
    }

    fn log(&mut self, line: usize, vkey: &[u8], url: Option<&[u8]>) -> Result<(), Fault> {
        let key = key(vkey, KeyUse::Sign, &self.logs)?;
        let party = Party { name: key.name().to_owned(), key, url: url.map(address).transpose()? };
        self.logs.push((line, party));
        Ok(())
    }

    fn witness(
        &mut self,
        line: usize,
        name: &[u8],
        vkey: &[u8],
        url: Option<&[u8]>,
    ) -> Result<(), Fault> {
        let key = key(vkey, KeyUse::Cosign, &self.witnesses)?;
        let url = url.map(address).transpose()?;
        self.define(name, Member::Witness(self.witnesses.len()))?;
        self.witnesses.push((line, Party { name: shown(name), key, url }));
        Ok(())
    }

    fn group(&mut self, name: &[u8], threshold: &[u8], members: &[&[u8]]) -> Result<(), Fault> {
        let mut found = Vec::new();
        for member in members {
            let (stands_for, is_member) =
                self.names.get_mut(*member).ok_or_else(|| Fault::Unknown(shown(member)))?;
            if std::mem::replace(is_member, true) {
                return Err(Fault::Member(shown(member)));
            }
            found.push(*stands_for);
        }
        let threshold = match threshold {
            b"all" => found.len(),
            b"any" => 1,
            digits => number(digits)
                .filter(|k| (1..=found.len()).contains(k))
                .ok_or(Fault::Threshold(found.len()))?,
        };
        self.define(name, Member::Group(self.groups.len()))?;
        self.groups.push(Group { threshold, members: found });
        Ok(())
    }

    fn set_quorum(&mut self, line: usize, name: &[u8]) -> Result<(), Fault> {
        if let Some((earlier, _)) = self.quorum {
            return Err(Fault::QuorumTwice(earlier));
        }
        let quorum = if name == NONE.as_bytes() {
            None
        } else {
            let (member, _) = self.names.get(name).ok_or_else(|| Fault::Unknown(shown(name)))?;
            Some(*member)
        };
        self.quorum = Some((line, quorum));
        Ok(())
    }

    fn define(&mut self, name: &[u8], stands_for: Member) -> Result<(), Fault> {
        if name == NONE.as_bytes() || self.names.contains_key(name) {
            return Err(Fault::Name(shown(name)));
        }
        self.names.insert(name.to_owned(), (stands_for, false));
        Ok(())
    }
}

/// Reads a key of the right use whose public half no line before it has.
fn key(vkey: &[u8], key_use: KeyUse, earlier: &[(usize, Party)]) -> Result<Verifier, Fault> {
    let text = std::str::from_utf8(vkey).map_err(|_| signed_note::Error::Vkey)?;
    let key = Verifier::parse(text)?;
    if key.key_use() != key_use {
        return Err(Fault::KeyUse);
    }
    match earlier.iter().find(|(_, party)| party.key.public() == key.public()) {
        Some((line, _)) => Err(Fault::KeyTwice(*line)),
        None => Ok(key),
    }
}

fn address(url: &[u8]) -> Result<Url, Fault> {
    let url = std::str::from_utf8(url).ok().and_then(|url| Url::parse(url).ok());
    url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host()).ok_or(Fault::Url)
}

fn number(digits: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(digits).ok()?;
    text.parse().ok().filter(|number: &usize| number.to_string() == text)
}

fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::signed_note::Signer;

    fn witness(n: u8) -> Verifier {
        let signer = Signer::witness(&format!("witness.example/{n}"), &[n; 32]).unwrap();
        signer.verifier().clone()
    }

    fn log(n: u8) -> Verifier {
        Signer::from_seed("commons.example/ledger", &[n; 32]).unwrap().verifier().clone()
    }

    /// Two of three hospitals, and one of two patients' societies.
    fn two_levels() -> String {
        format!(
            "# whom we believe\n\nlog {} https://commons.example/ledger\n\
             witness\tX1 {}\n  witness X2 {}  https://x2.example/w\nwitness X3 {}\n\
             group X 2 X1 X2 X3\nwitness Y1 {}\nwitness Y2 {}\ngroup Y any Y1 Y2\n\
             group both all X Y\nquorum both\n",
            log(100).vkey(),
            witness(1).vkey(),
            witness(2).vkey(),
            witness(3).vkey(),
            witness(4).vkey(),
            witness(5).vkey(),
        )
    }

    fn by(numbers: &[u8]) -> Vec<Vouched> {
        numbers.iter().map(|n| Vouched { by: witness(*n), unix: Some(7) }).collect()
    }

    #[test]
    fn k_of_n_and_groups_of_groups_count_whom_they_name() {
        let policy = Policy::parse(two_levels().as_bytes()).unwrap();
        for enough in [&[1, 2, 4][..], &[2, 3, 5], &[1, 2, 3, 4, 5], &[3, 1, 5, 9]] {
            assert!(policy.satisfied(&by(enough)), "{enough:?} suffice");
        }
        for few in [&[][..], &[1, 2], &[4, 5], &[1, 4], &[1, 1, 4], &[1, 4, 5, 9]] {
            assert!(!policy.satisfied(&by(few)), "{few:?} do not suffice, and passed");
        }
        assert_eq!(policy.witnesses().len(), 5);
        assert_eq!(policy.witnesses()[1].url.as_ref().unwrap().as_str(), "https://x2.example/w");
        assert_eq!(policy.logs()[0].name, "commons.example/ledger");
        assert!(policy.asks());
    }

    #[test]
    fn a_log_that_signs_under_a_witnesss_name_is_no_witness() {
        let policy =
            Policy::parse(format!("witness w {}\nquorum w\n", witness(1).vkey()).as_bytes());
        let log = Signer::from_seed("witness.example/1", &[1; 32]).unwrap().verifier().clone();
        assert!(!policy.unwrap().satisfied(&[Vouched { by: log, unix: None }]));
    }

    #[test]
    fn quorum_none_asks_for_nobody() {
        let policy = Policy::parse(b"quorum none").unwrap();
        assert!(policy.satisfied(&[]) && !policy.asks() && policy.logs().is_empty());
    }

    #[test]
    fn each_fault_is_named_with_its_line() {
        let (a, b, l) = (witness(1).vkey(), witness(2).vkey(), log(9).vkey());
        let renamed = Signer::witness("other.example/w", &[1; 32]).unwrap().verifier().vkey();
        let faults: [(String, usize, Fault); 24] = [
            (String::new(), 1, Fault::NoQuorum),
            (format!("witness a {a}\n"), 2, Fault::NoQuorum),
            ("quorum none\nquorum none\n".into(), 2, Fault::QuorumTwice(1)),
            ("quorum nobody\n".into(), 1, Fault::Unknown("nobody".into())),
            (format!("quorum a\nwitness a {a}\n"), 1, Fault::Unknown("a".into())),
            ("witnes a b\n".into(), 1, Fault::Keyword("witnes".into())),
            ("Quorum none\n".into(), 1, Fault::Keyword("Quorum".into())),
            ("quorum none none\n".into(), 1, Fault::Words("quorum NAME|none")),
            ("log\n".into(), 1, Fault::Words("log VKEY [URL]")),
            (format!("witness {a}\n"), 1, Fault::Words("witness NAME VKEY [URL]")),
            ("group g all\n".into(), 1, Fault::Words("group NAME all|any|NUMBER MEMBER…")),
            (format!("log {a}\n"), 1, Fault::KeyUse),
            (format!("witness a {l}\n"), 1, Fault::KeyUse),
            ("witness a b\n".into(), 1, Fault::Key(signed_note::Error::Vkey)),
            (format!("witness a {a}\n\nwitness b {renamed}\n"), 3, Fault::KeyTwice(1)),
            (format!("log {l}\nlog {l}\n"), 2, Fault::KeyTwice(1)),
            (format!("witness a {a} ftp://x.example/\n"), 1, Fault::Url),
            (format!("witness a {a}\nwitness a {b}\n"), 2, Fault::Name("a".into())),
            (format!("witness none {a}\n"), 1, Fault::Name("none".into())),
            (format!("witness a {a}\ngroup a any a\n"), 2, Fault::Name("a".into())),
            (format!("witness a {a}\ngroup g any a a\n"), 2, Fault::Member("a".into())),
            (
                format!("witness a {a}\ngroup g any a\ngroup h any a\n"),
                3,
                Fault::Member("a".into()),
            ),
            (format!("witness a {a}\ngroup g 2 a\n"), 2, Fault::Threshold(1)),
            (format!("witness a {a}\ngroup g any g\n"), 2, Fault::Unknown("g".into())),
        ];
        for (text, line, fault) in faults {
            assert_eq!(Policy::parse(text.as_bytes()), Err(Error { line, fault }), "{text:?}");
        }
        for threshold in ["0", "01", "+1", "-1", "1.0", "ALL", "99999999999999999999"] {
            let text = format!("witness a {a}\ngroup g {threshold} a\nquorum g\n");
            assert!(
                Policy::parse(text.as_bytes()).is_err(),
                "a threshold of {threshold} was taken"
            );
        }
        for odd in ["quorum\u{1}none\n", "quorum none\r\n", "quorum none\u{7f}\n"] {
            let refused = Policy::parse(odd.as_bytes());
            assert_eq!(refused, Err(Error { line: 1, fault: Fault::Control }), "{odd:?}");
        }
    }

    #[test]
    fn names_are_bytes_whether_or_not_they_are_text() {
        let text = [
            b"# \xff\xfe\nwitness \xc3 ".as_slice(),
            witness(1).vkey().as_bytes(),
            b"\nquorum \xc4\n",
        ]
        .concat();
        let error = Policy::parse(&text).unwrap_err();
        assert_eq!(error.line, 3, "two names that are no text passed for one");
        let good = text.iter().map(|byte| if *byte == 0xc4 { 0xc3 } else { *byte });
        assert!(Policy::parse(&good.collect::<Vec<u8>>()).unwrap().satisfied(&by(&[1])));
    }

    proptest! {
        /// More cosigners never undo a quorum, and only witnesses of the policy count.
        #[test]
        fn a_policy_is_monotone(signed in 0_u32..128, more in 0_u32..128) {
            let policy = Policy::parse(two_levels().as_bytes()).unwrap();
            let of = |bits: u32| (1..8).filter(|n| bits >> (n - 1) & 1 == 1).collect::<Vec<u8>>();
            let before = policy.satisfied(&by(&of(signed)));
            prop_assert!(!before || policy.satisfied(&by(&of(signed | more))));
            let x = (signed & 0b111).count_ones() >= 2;
            let y = signed & 0b11000 != 0;
            prop_assert_eq!(before, x && y);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            drop(Policy::parse(&bytes));
        }
    }
}
