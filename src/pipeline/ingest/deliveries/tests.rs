//! Three institutions deliver; what a licence, a note or a byte that is not as it should be leaves out.

use std::fmt::Write as _;

use serde_json::Map;

use super::*;
use crate::{
    credential::{
        Delivery, Holders, LICENCE_COMMITS, LicenceAct, LicenceAction, LicenceCommit, LicenceEvent,
        LicenceLine, Recorded, TrustChange, Trusted, key_id,
    },
    digest::Sha256,
    ledger::Kind,
    payee::Object,
    pipeline::{
        Silent, audit, consent,
        delivery::sign,
        fund::tests::site,
        ingest::{Ingested, Outcome, ingest},
        licence::{self, Decision, Terms},
    },
    signed_note::Signer,
    store::Sequence,
};

const NAMES: [&str; 3] = ["north", "south", "west"];
/// When licences begin, deliveries are signed, and the runs are.
const BEGUN: &str = "2026-01-01T00:00:00Z";
const SIGNED: &str = "2026-10-01T00:00:00Z";
const NOW: &str = "2026-10-05T00:00:00Z";

fn instant(text: &str) -> Instant {
    Instant::parse(text).unwrap()
}

fn id(name: &str) -> InstitutionId {
    InstitutionId::parse(name).unwrap()
}

fn key(name: &str) -> Signer {
    let mut seed = [1; 32];
    seed[0] = name.as_bytes()[0];
    Signer::from_seed(name, &seed).unwrap()
}

/// A folder of three institutions' files, a pipeline that asks for licences, and a site.
struct Commons {
    folder: tempfile::TempDir,
    site: Site,
}

impl Commons {
    /// With an issuer that gave each institution its licence, and signed deliveries.
    fn new() -> Self {
        let mut commons = Self::bare();
        commons.site.set_now(instant(NOW));
        let vkey = issuer().verifier().vkey();
        commons.act(LicenceAct::Trusted(Trusted { vkey, change: TrustChange::Added, from: None }));
        commons.decide(NAMES.map(|name| event(name, LicenceAction::Issue, BEGUN)).to_vec());
        for name in NAMES {
            commons.sign(name, SIGNED);
        }
        commons
    }

    /// Without licences and notes.
    fn bare() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let column = |name: &str, rest: &str| {
            format!("[[column]]\nname = \"{name}\"\ntype = \"string\"\nrequired = true\n{rest}\n\n")
        };
        let person = column("id", "role = \"person\"");
        let kind = "role = \"measure\"\ncodes = [\"a\", \"v\"]\ndeid = { kernel = \"keep\" }";
        let kind = column("kind", kind);
        put(
            "schemas/patients.toml",
            &format!("table = \"patients\"\nkey = [\"id\"]\n\n{person}{kind}"),
        );
        let person = column("id", "role = \"person\"\nreferences = \"patients.id\"");
        put("schemas/visits.toml", &format!("table = \"visits\"\n\n{person}{kind}"));
        let source = |table: &str| {
            format!(
                "[[source]]\ntable = \"{table}\"\nschema = \"schemas/{table}.toml\"\n\
                 format = \"csv\"\npath = \"{{institution}}/{table}.csv\"\n\n"
            )
        };
        let pipeline = format!(
            "name = \"p\"\ndataset = \"d\"\npurpose = [\"DUO:0000006\"]\n\n{}{}\
             [licence]\nrequired = true\n\n[deid]\nprofile = \"expert\"\nk = 2\n",
            source("patients"),
            source("visits")
        );
        put("pipelines/p.toml", &pipeline);
        let mut consents = "contributor,action,purposes,institutions,categories,valid_from,\
                            valid_until,decided_at\n"
            .to_owned();
        for name in NAMES {
            let (mut patients, mut visits) = ("id,kind\n".to_owned(), "id,kind\n".to_owned());
            for person in 0..4 {
                let grant = "grant,DUO:0000006,*,*,2026-01-01,,2026-01-01T00:00:00Z";
                writeln!(patients, "{name}{person},a").unwrap();
                writeln!(visits, "{name}{person},v").unwrap();
                writeln!(consents, "{name}{person},{grant}").unwrap();
            }
            put(&format!("in/{name}/patients.csv"), &patients);
            put(&format!("in/{name}/visits.csv"), &visits);
        }
        put("consents.csv", &consents);
        let site = site(&folder, "2026-10-01T00:00:00Z");
        let consents = folder.path().join("consents.csv");
        consent::import(&site, &consents, None, None).unwrap();
        Self { folder, site }
    }

    fn input(&self) -> PathBuf {
        self.folder.path().join("in")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.input().join(name)
    }

    fn sign(&self, name: &str, when: &str) {
        sign(&self.file(name), &id(name), &key(name), instant(when), true).unwrap();
    }

    /// Commits to the register as its act does, with an entry that says nothing.
    fn act(&self, act: LicenceAct) {
        let vault = self.site.vault();
        let number = Licences::load(&vault).unwrap().commit() + 1;
        let body = Map::from_iter([("n".to_owned(), number.into())]);
        let entry = self.site.entry(Kind::LicencesRecorded, &[], &[], &body).unwrap();
        let (txn, time) = (self.site.txn().unwrap(), self.site.now());
        let commit = LicenceCommit { txn, time, act, entry: entry.text().to_owned() };
        self.site.commit(&Sequence::new(&vault, LICENCE_COMMITS), number, &commit, &entry).unwrap();
    }

    fn decide(&self, events: Vec<LicenceEvent>) {
        let by = key_id(issuer().verifier());
        let line =
            |event| LicenceLine { event, by: by.clone(), credential: None, list: None, salt: None };
        let (events, bytes) = Object::write("licences", events.into_iter().map(line)).unwrap();
        self.site.vault().put_content(&events.path, &bytes).unwrap();
        let (root, count) = (Sha256::of(&bytes), events.count);
        let (holders, commitment) = (Holders::Institutions, events.digest);
        self.act(LicenceAct::Recorded(Recorded { holders, events, root, count, commitment }));
    }

    fn ingest(&self) -> Result<Ingested, Error> {
        let spec = Spec::read(&self.folder.path().join("pipelines/p.toml")).unwrap();
        ingest(&self.site, &spec, &self.input(), false, &Silent)
    }

    /// Ingests, and returns what was left behind: institution, file, reason.
    #[track_caller]
    fn left(&self) -> Vec<String> {
        let report = self.ingest().unwrap().report;
        let said = |line: LeftLine| format!("{} {}", line.file, line.reason);
        report.files_left.into_iter().map(said).collect()
    }

    /// Both files of an institution left behind for one reason.
    #[track_caller]
    fn assert_left(&self, name: &str, reason: &str) {
        let both = ["patients", "visits"].map(|table| format!("{name}/{table}.csv {reason}"));
        assert_eq!(self.left(), both, "{name} with {reason}");
    }
}

fn issuer() -> Signer {
    Signer::from_seed("board", &[9; 32]).unwrap()
}

fn event(name: &str, action: LicenceAction, from: &str) -> LicenceEvent {
    let key = (action == LicenceAction::Issue).then(|| key(name).verifier().vkey());
    LicenceEvent {
        licence: format!("l-{name}"),
        holder: Holder::Institution(id(name)),
        issuer: "board".to_owned(),
        action,
        class: "hospital".to_owned(),
        from: instant(from),
        until: None,
        restriction: None,
        decided_at: instant(from),
        key,
    }
}

#[test]
fn what_is_signed_by_standing_licences_is_taken_once_and_the_notes_are_kept() {
    let commons = Commons::new();
    let done = commons.ingest().unwrap();
    assert_eq!(done.report.files_left, [], "a file was left behind");
    assert_eq!((done.version.institutions, done.version.counts.released), (3, 24));
    let paper = done.version.deliveries().expect("the version names no deliveries");
    let text = commons.site.vault().get(&paper.path).unwrap();
    let told: serde_json::Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(told["licence_commit"], 2, "nobody could tell what was known of licences");
    assert_eq!(told["taken"].as_array().unwrap().len(), 6);
    let notes = done.version.papers.iter().filter(|paper| paper.path.contains(".note"));
    assert_eq!(notes.count(), 3, "a note by which files were taken is not kept");
    assert_eq!(commons.ingest().unwrap().outcome, Outcome::Unchanged, "a run made two versions");
}

#[test]
fn a_suspension_of_today_does_not_undo_what_was_signed_before_it() {
    let commons = Commons::new();
    commons.decide(vec![event("west", LicenceAction::Suspend, "2026-10-03T00:00:00Z")]);
    assert_eq!(commons.left(), Vec::<String>::new(), "a suspension reached back");
    commons.sign("west", "2026-10-04T00:00:00Z");
    commons.assert_left("west", "licence-suspended");
    commons.decide(vec![event("west", LicenceAction::Reinstate, "2026-10-04T12:00:00Z")]);
    commons.assert_left("west", "licence-suspended");
    commons.sign("west", "2026-10-04T12:00:00Z");
    assert_eq!(commons.left(), Vec::<String>::new(), "a reinstated licence did not stand");
}

#[test]
fn each_thing_that_may_be_wrong_with_a_delivery_leaves_that_institution_out_and_no_other() {
    let commons = Commons::new();
    let note = commons.file("west/delivery.note");
    let good = fs::read_to_string(&note).unwrap();
    fs::remove_file(&note).unwrap();
    commons.assert_left("west", "no-delivery-note");
    fs::copy(commons.file("south/delivery.note"), &note).unwrap();
    commons.assert_left("west", "delivery-note-of-another");
    fs::write(&note, "no note").unwrap();
    commons.assert_left("west", "delivery-note-malformed");
    fs::write(&note, good.replace("institution west", "institution west\nx")).unwrap();
    commons.assert_left("west", "delivery-note-malformed");
    sign(&commons.file("south"), &id("south"), &key("south"), instant(SIGNED), true).unwrap();
    let forged = DeliveryNote::read(&good).unwrap().claims().sign(&key("south")).unwrap();
    fs::write(&note, forged).unwrap();
    commons.assert_left("west", "delivery-note-not-signed");
    fs::write(&note, good.replace(" bytes ", " bytes 1")).unwrap();
    commons.assert_left("west", "delivery-note-not-signed");
    commons.sign("west", "2026-10-05T00:00:01Z");
    commons.assert_left("west", "delivery-note-from-the-future");
    commons.sign("west", "2025-12-31T23:59:59Z");
    commons.assert_left("west", "licence-not-begun");
    commons.decide(vec![LicenceEvent {
        restriction: Some("no-data-contribution".to_owned()),
        ..event("west", LicenceAction::Restrict, "2026-09-01T00:00:00Z")
    }]);
    commons.sign("west", SIGNED);
    commons.assert_left("west", "licence-restricted");
    commons.decide(vec![event("west", LicenceAction::Revoke, "2026-09-15T00:00:00Z")]);
    commons.assert_left("west", "licence-revoked");
    commons.sign("west", "2026-08-31T00:00:00Z");
    assert_eq!(commons.left(), Vec::<String>::new(), "what was signed before is not taken");
}

#[test]
fn a_changed_file_is_left_with_what_refers_to_it_however_broken_it_is() {
    let commons = Commons::new();
    let patients = commons.file("west/patients.csv");
    let good = fs::read(&patients).unwrap();
    let reasons = ["west/patients.csv not-as-delivered", "west/visits.csv delivery-incomplete"];
    fs::write(&patients, [&good[..], b"west9,a\n"].concat()).unwrap();
    assert_eq!(commons.left(), reasons);
    fs::write(&patients, "").unwrap();
    assert_eq!(commons.left(), reasons, "an empty file stopped the run");
    fs::write(&patients, &good).unwrap();
    let visits = commons.file("west/visits.csv");
    fs::write(&visits, "id,kind\n").unwrap();
    assert_eq!(commons.left(), ["west/visits.csv not-as-delivered"], "patients need no visits");
}

#[test]
fn a_file_that_a_later_note_lists_is_taken_by_that_note() {
    let commons = Commons::new();
    commons.sign("west", "2025-12-01T00:00:00Z");
    let text = fs::read_to_string(commons.file("west/delivery.note")).unwrap();
    let listed = DeliveryNote::read(&text).unwrap().claims().files().clone();
    let mut one = listed;
    one.remove("visits.csv");
    let later = Delivery::split(&id("west"), instant(SIGNED), one).unwrap().remove(0);
    let more = commons.file("west/delivery-2.note");
    fs::write(more, later.sign(&key("west")).unwrap()).unwrap();
    assert_eq!(commons.left(), ["west/visits.csv licence-not-begun"]);
}

#[test]
fn where_nothing_may_be_taken_the_run_is_refused_and_says_why() {
    let commons = Commons::new();
    for name in NAMES {
        fs::remove_file(commons.file(name).join("delivery.note")).unwrap();
    }
    let error = commons.ingest().unwrap_err();
    assert!(matches!(&error, Error::Untaken { left } if left.len() == 6), "{error}");
    let said = error.to_string();
    assert!(said.contains("`west/patients.csv` of west (no-delivery-note)"), "{said}");
}

#[test]
fn a_licence_table_is_read_or_told_with_its_place() {
    let commons = Commons::new();
    let file = commons.folder.path().join("pipelines/p.toml");
    let good = fs::read_to_string(&file).unwrap();
    let read = |table: &str| {
        fs::write(&file, good.replace("[licence]\nrequired = true\n", table)).unwrap();
        Spec::read(&file)
    };
    assert!(!read("").unwrap().licence_required);
    assert!(!read("[licence]\nrequired = false\n").unwrap().licence_required);
    for (table, said) in [
        ("[licence]\n", "lacks `required`"),
        ("[licence]\nrequired = \"yes\"\n", "`required` must be true or false"),
        ("[licence]\nrequired = true\nissuer = \"x\"\n", "issuer"),
    ] {
        let Err(crate::pipeline::spec::Error::Faults { faults, .. }) = read(table) else {
            panic!("{table} was read")
        };
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].to_string().contains(said), "{}", faults[0]);
    }
}

/// A site that lived through a suspension, by the acts alone; its second version lacks one institution.
fn lived() -> Commons {
    let mut commons = Commons::bare();
    commons.site.set_now(instant("2026-10-01T12:00:00Z"));
    let own = licence::make_issuer(&commons.site).unwrap();
    licence::trust(&commons.site, &own, None).unwrap();
    for name in NAMES {
        let terms = Terms { until: None, key: Some(key(name).verifier().vkey()) };
        let (holder, class) = (Holder::Institution(id(name)), "hospital".to_owned());
        let issue = Decision::Issue { holder, class, terms, restriction: None };
        licence::decide(&commons.site, &format!("l-{name}"), issue, None).unwrap();
        commons.sign(name, "2026-10-02T00:00:00Z");
    }
    commons.site.set_now(instant(NOW));
    assert_eq!(commons.left(), Vec::<String>::new());
    commons.site.set_now(instant("2026-10-06T00:00:00Z"));
    licence::decide(&commons.site, "l-west", Decision::Suspend, None).unwrap();
    commons.sign("west", "2026-10-07T00:00:00Z");
    commons.site.set_now(instant("2026-10-08T00:00:00Z"));
    commons.assert_left("west", "licence-suspended");
    commons.site.set_now(instant("2026-10-09T00:00:00Z"));
    commons
}

#[track_caller]
fn findings(commons: &Commons) -> Vec<String> {
    let audited = audit::audit(&commons.site, None, &Silent).unwrap();
    let said = |f: &audit::Finding| format!("{} {} {}", f.check, f.object, f.fault);
    audited.findings().iter().map(said).collect()
}

#[test]
fn an_audit_finds_nothing_where_licences_were_heeded_and_any_changed_byte_of_what_they_rest_on() {
    let commons = lived();
    assert_eq!(findings(&commons), Vec::<String>::new());
    let site = commons.folder.path().join("site");
    let mut files = Vec::new();
    for zone in ["vault/deliveries", "vault/licences/objects", "vault/licences/commits"] {
        let folder = site.join(zone);
        files.extend(fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()));
    }
    assert!(files.len() > 10, "{files:?}");
    for file in files {
        let good = fs::read(&file).unwrap();
        let name = file.strip_prefix(&site).unwrap().display().to_string();
        for at in [good.len() / 3, good.len() / 2, good.len() - 2] {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&file, bad).unwrap();
            let found = findings(&commons);
            assert!(found.iter().any(|f| f.contains(&name)), "{name}, byte {at}: {found:?}");
        }
        fs::write(&file, good).unwrap();
    }
    assert_eq!(findings(&commons), Vec::<String>::new(), "the site was not put back");
}

#[test]
fn a_version_that_was_dressed_up_over_its_licences_is_found_by_what_it_rests_on() {
    let commons = lived();
    let site = commons.folder.path().join("site");
    let commit = site.join("lake/commits/000000000001.json");
    let good = fs::read_to_string(&commit).unwrap();
    let version: crate::lake::Version = serde_json::from_str(&good).unwrap();
    let paper = version.deliveries().unwrap();
    let vault = commons.site.vault();
    let told = String::from_utf8(vault.get(&paper.path).unwrap().to_vec()).unwrap();
    let note = |name: &str, folder: &str| {
        let text = fs::read_to_string(commons.input().join(folder).join("delivery.note")).unwrap();
        let note = DeliveryNote::read(&text).unwrap();
        let text = note.claims().text().replace(folder, name);
        key(name).sign_note(&text).unwrap()
    };
    // West's own notes of before its licence and of after the run; and north's files, signed by south.
    let late = fs::read_to_string(commons.input().join("west/delivery.note")).unwrap();
    commons.sign("west", "2026-09-30T00:00:00Z");
    let early = fs::read_to_string(commons.input().join("west/delivery.note")).unwrap();
    let other = note("south", "north");
    let of = |name: &str| -> String {
        let told: serde_json::Value = serde_json::from_str(&told).unwrap();
        let taken = told["taken"].as_array().unwrap();
        let own = taken.iter().find(|line| line["institution"] == name).unwrap();
        own["note"].as_str().unwrap().to_owned()
    };
    let digest = |text: &str| Sha3Digest::of(text.as_bytes()).to_string();
    let cases = [
        (told.replace(&of("west"), &digest(&late)), late, "is dated after the version"),
        (told.replace(&of("west"), &digest(&early)), early, "did not allow it"),
        (told.replace(&of("north"), &digest(&other)), other, "is another institution's"),
        (told.replace("north/visits.csv", "north/other.csv"), String::new(), "does not list"),
        (
            told.replace("\"licence_commit\": 4", "\"licence_commit\": 5"),
            String::new(),
            "not heeded",
        ),
        (
            told.replace("\"licence_commit\": 4", "\"licence_commit\": 3"),
            String::new(),
            "not heeded",
        ),
        (
            told.replace("\"institution\": \"west\"", "\"institution\": \"east\""),
            String::new(),
            "of which no file was taken",
        ),
    ];
    for (told, note, fault) in cases {
        assert_ne!(digest(&told), paper.digest.to_string(), "{fault}: nothing was changed");
        let path = format!("deliveries/{}.json", digest(&told));
        vault.put(&path, told.clone().into()).unwrap();
        let mut version = version.clone();
        for own in &mut version.papers {
            if own.path == paper.path {
                own.path.clone_from(&path);
                own.digest = Sha3Digest::of(told.as_bytes());
            }
        }
        if !note.is_empty() {
            let path = format!("deliveries/{}.note", digest(&note));
            vault.put(&path, note.clone().into()).unwrap();
            let digest = Sha3Digest::of(note.as_bytes());
            version.papers.push(crate::lake::PrivateObject { path, digest });
        }
        fs::write(&commit, serde_json::to_vec_pretty(&version).unwrap()).unwrap();
        let found = findings(&commons);
        assert!(found.iter().any(|f| f.contains(fault)), "{fault}: {found:?}");
        let agrees = found.iter().any(|f| f.contains("says otherwise in `deliveries`"));
        assert!(agrees, "the book says nothing of deliveries: {found:?}");
    }
    fs::write(&commit, good).unwrap();
    assert_eq!(findings(&commons), Vec::<String>::new(), "the site was not put back");
}
