//! The desk file: who this site is in transfers, where its records and its exchange are, and who its
//! partners are. Read whole, every fault at once, each with its line and column.
//!
//! Comes in: a TOML file. Goes out: a [`Desk`]. Never: a partner whose keys could not be read.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::Error;
use crate::{
    fault::{Fault, Members, Sheet, Text},
    party::InstitutionId,
    signed_note::{KeyUse, Verifier},
    transfer::{HpkeKey, Side},
};

/// How many days an offer is open where the file does not say.
const EXPIRES_DAYS: u32 = 14;
/// How far two clocks may be apart where the file does not say.
const CLOCK_SKEW_SECONDS: u32 = 300;
/// What a record is sent for where the file does not say.
const PURPOSE: &str = "TREAT";

/// What records may be sent for: codes of HL7 v3-ActReason, with the words a patient reads.
pub const PURPOSES: [(&str, &str); 12] = [
    ("TREAT", "your treatment"),
    ("ETREAT", "your treatment in an emergency"),
    ("CAREMGT", "the management of your care"),
    ("CLINTRCH", "a clinical trial that you take part in"),
    ("COC", "the coordination of your care"),
    ("DONAT", "a donation of blood, tissue or an organ"),
    ("FAMRQT", "a request of your family"),
    ("HOPERAT", "the running of the hospital or practice"),
    ("HPAYMT", "the payment of your care"),
    ("HRESCH", "health research"),
    ("PATRQT", "your own request"),
    ("PUBHLTH", "public health"),
];

/// Returns the words of a purpose, as a patient reads them.
pub fn purpose_words(code: &str) -> Option<&'static str> {
    PURPOSES.iter().find(|(known, _)| *known == code).map(|(_, words)| *words)
}

/// A desk: one side of transfers.
#[derive(Debug, Clone)]
pub struct Desk {
    /// Who this site is.
    pub institution: InstitutionId,
    /// The folder of its records, FHIR NDJSON.
    pub records: PathBuf,
    /// Where files lie that go out, come in, or wait for a patient: a folder or a store's URL.
    pub exchange: String,
    /// The folder where parcels are unpacked.
    pub received: PathBuf,
    /// What the register of consents puts before this institution's ids, where nothing is linked.
    pub namespace: String,
    /// How a record without security labels is read, a code of v3-Confidentiality such as `N`; where it
    /// is not said, a consent's rule on labels keeps it.
    pub unlabelled: Option<String>,
    /// How many days an offer is open.
    pub expires_days: u32,
    /// What records are sent for unless it is said otherwise.
    pub purpose: String,
    /// How far a partner's clock may run ahead of ours.
    pub clock_skew_seconds: u32,
    /// The file with this institution's licence, a compact `vc+jwt`.
    pub licence: Option<PathBuf>,
    /// Its partners, by name.
    pub partners: BTreeMap<InstitutionId, Partner>,
}

/// Somebody who records are sent to or come from.
#[derive(Debug, Clone)]
pub struct Partner {
    /// Who.
    pub institution: InstitutionId,
    /// The origin of their site's book.
    pub origin: String,
    /// Their steward's key.
    pub vkey: Verifier,
    /// Their X25519 transfer key.
    pub hpke: HpkeKey,
    /// Their exchange, where files may be carried to.
    pub exchange: Option<String>,
}

impl Partner {
    /// Returns the partner as files name it.
    pub fn side(&self) -> Side {
        Side { institution: self.institution.clone(), origin: self.origin.clone() }
    }
}

impl Desk {
    /// Reads a desk file; its paths are relative to it.
    pub fn read(file: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(file)
            .map_err(|source| Error::File { path: file.to_owned(), source })?;
        let sheet = Sheet::new(file, &text);
        let desk = parse(file, &sheet);
        let faults: Vec<Fault> = sheet.into_faults();
        match desk {
            Some(desk) if faults.is_empty() => Ok(desk),
            Some(_) | None => Err(Error::Faults { file: file.to_owned(), faults }),
        }
    }

    /// Returns a partner.
    pub fn partner(&self, id: &InstitutionId) -> Result<&Partner, Error> {
        self.partners.get(id).ok_or_else(|| Error::Partner {
            partner: id.clone(),
            known: self.partners.keys().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        })
    }
}

fn parse(file: &Path, sheet: &Sheet<'_>) -> Option<Desk> {
    let text = sheet.text();
    let table = sheet.parse(&text);
    let top = Members::new(sheet, "desk", &table);
    let base = file.parent().unwrap_or(Path::new("")).to_owned();
    let institution = institution(sheet, &top);
    let records = top.text_needed("records").map(|text| base.join(text.value));
    let exchange = top.text_needed("exchange").map(|text| address(&base, &text.value));
    let received = top.text_needed("received").map(|text| base.join(text.value));
    let namespace = top.text("namespace").map(|text| text.value).unwrap_or_default();
    let grades = ["U", "L", "M", "N", "R", "V"].map(|grade| (grade, grade));
    let unlabelled = top.choice("unlabelled", &grades).map(str::to_owned);
    let licence = top.text("licence").map(|text| base.join(text.value));
    let days = whole(&top, "expires_days", 1).unwrap_or(EXPIRES_DAYS);
    let skew = whole(&top, "clock_skew_seconds", 0).unwrap_or(CLOCK_SKEW_SECONDS);
    let codes = PURPOSES.map(|(code, _)| (code, code));
    let purpose = top.choice("purpose", &codes).unwrap_or(PURPOSE).to_owned();
    let mut partners = BTreeMap::new();
    for table in top.tables("partner") {
        let span = table.value_span("institution");
        let Some(partner) = partner(sheet, table, &base) else { continue };
        if institution.as_ref() == Some(&partner.institution) {
            sheet.fault(span, "a desk is no partner of itself");
        } else if let Some(twice) = partners.insert(partner.institution.clone(), partner) {
            sheet.fault(span, format!("partner `{}` stands here twice", twice.institution));
        }
    }
    top.finish();
    Some(Desk {
        institution: institution?,
        records: records?,
        exchange: exchange?,
        received: received?,
        namespace,
        unlabelled,
        expires_days: days,
        purpose,
        clock_skew_seconds: skew,
        licence,
        partners,
    })
}

fn partner(sheet: &Sheet<'_>, table: Members<'_, '_>, base: &Path) -> Option<Partner> {
    let institution = institution(sheet, &table);
    let origin = table.text_needed("origin").map(|text| text.value);
    let vkey = table.text_needed("vkey").and_then(|text| vkey(sheet, &text));
    let hpke = table.text_needed("hpke").and_then(|text| {
        let key = HpkeKey::parse(&text.value).ok();
        if key.is_none() {
            let hint = "`almoner transfer keys` on the partner's site prints it";
            sheet.fault_hint(text.span, "`hpke` is 64 lower-case hex digits", hint);
        }
        key
    });
    let exchange = table.text("exchange").map(|text| address(base, &text.value));
    table.finish();
    Some(Partner { institution: institution?, origin: origin?, vkey: vkey?, hpke: hpke?, exchange })
}

fn institution(sheet: &Sheet<'_>, table: &Members<'_, '_>) -> Option<InstitutionId> {
    let text = table.text_needed("institution")?;
    match InstitutionId::parse(&text.value) {
        // It names folders of the exchange.
        Ok(id) if id.as_str().contains(['/', '\\']) || id.as_str().starts_with('.') => {
            sheet.fault(text.span, "`institution` may hold no slash and not begin with a dot");
            None
        }
        Ok(id) => Some(id),
        Err(error) => {
            sheet.fault(text.span, format!("`institution`: {error}"));
            None
        }
    }
}

fn vkey(sheet: &Sheet<'_>, text: &Text) -> Option<Verifier> {
    match Verifier::parse(&text.value) {
        Ok(key) if key.key_use() == KeyUse::Sign => Some(key),
        Ok(_) => {
            sheet.fault(text.span.clone(), "`vkey` is a witness's key, not a steward's");
            None
        }
        Err(error) => {
            let hint = "`almoner transfer keys` on the partner's site prints it";
            sheet.fault_hint(text.span.clone(), format!("`vkey`: {error}"), hint);
            None
        }
    }
}

fn whole(table: &Members<'_, '_>, key: &'static str, least: i64) -> Option<u32> {
    table.integer(key, least).and_then(|number| u32::try_from(number).ok())
}

/// A folder is relative to the file, a URL is not.
fn address(base: &Path, text: &str) -> String {
    if text.contains("://") { text.to_owned() } else { base.join(text).display().to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
institution = "north-shore"
records = "in"
exchange = "exchange"
received = "received"
[[partner]]
institution = "lake-county"
origin = "lake.example/ledger"
vkey = "ledger.example/rdm+d2770b31+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4"
hpke = "0000000000000000000000000000000000000000000000000000000000000000"
exchange = "s3://bucket/exchange"
"#;

    fn read(text: &str) -> Result<Desk, Error> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("transfer.toml");
        std::fs::write(&file, text).unwrap();
        Desk::read(&file)
    }

    #[test]
    fn a_desk_fills_in_what_the_file_does_not_say() {
        let desk = read(GOOD).unwrap();
        assert_eq!((desk.expires_days, desk.clock_skew_seconds), (14, 300));
        assert_eq!(desk.purpose, "TREAT");
        assert!(desk.exchange.ends_with("/exchange"), "a folder is relative to the file");
        let lake = desk.partner(&InstitutionId::parse("lake-county").unwrap()).unwrap();
        assert_eq!(lake.exchange.as_deref(), Some("s3://bucket/exchange"), "a URL is as it is");
        let unknown = desk.partner(&InstitutionId::parse("riverside").unwrap());
        assert!(matches!(unknown, Err(Error::Partner { known, .. }) if known == "lake-county"));
    }

    #[test]
    fn every_fault_of_a_desk_file_is_told_with_its_place() {
        let bad = GOOD
            .replace("received = \"received\"\n", "recieved = \"x\"\npurpose = \"TRAET\"\n")
            .replace("d2770b31", "d2770b32")
            .replace("hpke = \"0", "hpke = \"x");
        let Err(Error::Faults { faults, .. }) = read(&bad) else { panic!("it was read") };
        let told: Vec<String> = faults.iter().map(|fault| fault.message().to_owned()).collect();
        assert_eq!(faults.len(), 5, "{told:?}");
        assert!(faults.iter().any(|fault| fault.hint_text() == Some("did you mean `TREAT`?")));
        assert!(faults.iter().any(|fault| fault.place().0 == 5), "a misspelt member has no line");
    }

    #[test]
    fn a_partner_named_twice_or_the_desk_itself_is_a_fault() {
        let (_, partner) = GOOD.split_once("[[partner]]").unwrap();
        let twice = format!("{GOOD}[[partner]]{partner}");
        assert!(matches!(read(&twice), Err(Error::Faults { faults, .. }) if faults.len() == 1));
        let own = GOOD.replace("lake-county", "north-shore");
        assert!(matches!(read(&own), Err(Error::Faults { faults, .. }) if faults.len() == 1));
    }

    #[test]
    fn the_example_of_the_repository_is_a_desk() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines/transfer.toml");
        assert!(Desk::read(&file).is_ok_and(|desk| !desk.partners.is_empty()));
    }
}
