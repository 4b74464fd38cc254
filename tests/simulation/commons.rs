//! The life of a whole small site: fourteen people at one institution consent, their records come in, two
//! questions are asked, one person withdraws, another is erased, the keys are changed, a second version
//! follows, and a quarter is settled.
//!
//! Payments come in while records are read, decisions are taken, people erased and keys changed, by writers
//! of their own. Questions have no second writer beside them: the engine that answers them reads on threads
//! of its own.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use almoner::{
    credential::PassRequest,
    instant::Instant,
    ledger::trust::Role,
    money::{Amount, Currency},
    party::{ResearcherId, SponsorId},
    pipeline::{
        Silent, audit, consent,
        erase::{Versions, erase},
        fund,
        ingest::ingest,
        keys, pass,
        query::{self, Question},
        settle::settle,
        signing,
        spec::Spec,
    },
    purpose::{Claims, Purpose},
    query::Limits,
    reward::{Funded, Opened, Period, PoolId, RuleSet},
    site::Site,
};

use super::{
    erased,
    life::{Act, Life, Run, told},
};

const PEOPLE: usize = 14;

/// Which of them is erased.
const ERASED: usize = 5;

fn at(text: &str) -> Instant {
    Instant::parse(text).unwrap()
}

fn put(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    path
}

/// Writes what institutions send and the steward has decided; returns the pipeline's file.
fn inputs(folder: &Path) -> PathBuf {
    put(
        folder,
        "visits.toml",
        "table = \"visits\"\n\n[[column]]\nname = \"id\"\ntype = \"string\"\nrequired = true\nrole = \
         \"person\"\n\n[[column]]\nname = \"kind\"\ntype = \"string\"\nrequired = true\nrole = \
         \"measure\"\ncodes = [\"a\", \"v\"]\ndeid = { kernel = \"keep\" }\n",
    );
    let header =
        "contributor,action,purposes,institutions,categories,valid_from,valid_until,decided_at\n";
    let (mut visits, mut grants) = ("id,kind\n".to_owned(), header.to_owned());
    let mut later = visits.clone();
    for person in 0..PEOPLE {
        let kind = if person % 2 == 0 { "a" } else { "v" };
        let id = if person == ERASED { erased::PERSON.to_owned() } else { format!("p{person}") };
        let visit = format!("{id},{kind}\n");
        visits.push_str(&visit);
        if person != ERASED {
            later.push_str(&visit);
        }
        writeln!(grants, "{id},grant,DUO:0000006,*,*,2026-01-01,,2026-01-01T00:00:00Z").unwrap();
    }
    put(folder, "in/north/visits.csv", &visits);
    // Whoever erased a person asks the institution to leave them out.
    put(folder, "later/north/visits.csv", &later);
    put(folder, "grants.csv", &grants);
    let decisions = format!("{header}p6,grant,DUO:0000007,*,*,2026-01-01,,2026-11-02T00:00:00Z\n");
    put(folder, "decisions.csv", &decisions);
    let own = format!("{header}{},withdraw,,,,,,2026-11-02T00:00:00Z\n", erased::PERSON);
    put(folder, "own.csv", &own);
    let withdrawal = format!("{header}p3,withdraw,,,,,,2026-11-01T00:00:00Z\n");
    put(folder, "withdrawal.csv", &withdrawal);
    put(
        folder,
        "p.toml",
        "name = \"p\"\ndataset = \"d\"\npurpose = [\"DUO:0000006\"]\npool = \"p\"\n\n[[source]]\n\
         institution = \"north\"\ntable = \"visits\"\nschema = \"visits.toml\"\nformat = \"csv\"\npath = \
         \"north/visits.csv\"\n\n[deid]\nprofile = \"expert\"\nk = 2\n",
    )
}

pub(crate) fn imported(file: PathBuf) -> Run {
    Box::new(move |site: &mut Site| {
        consent::import(site, &file, None, None).map(drop).map_err(told)
    })
}

pub(crate) fn ingested(pipeline: PathBuf, input: PathBuf) -> Run {
    Box::new(move |site: &mut Site| {
        let spec = Spec::read(&pipeline).map_err(told)?;
        ingest(site, &spec, &input, false, &Silent).map(drop).map_err(told)
    })
}

fn opened() -> Run {
    Box::new(|site: &mut Site| {
        let currency = Currency::parse("EUR").unwrap();
        let pool = PoolId::parse("p").unwrap();
        let rules = RuleSet::plain(300_000, 700_000);
        let opened = Opened { pool, currency, datasets: vec!["d".into()], purposes: vec![], rules };
        fund::open(site, opened).map(drop).map_err(told)
    })
}

fn funded(reference: &'static str) -> Run {
    Box::new(move |site: &mut Site| {
        let funded = Funded {
            pool: PoolId::parse("p").unwrap(),
            amount: Amount::new(100_000, Currency::parse("EUR").unwrap()),
            sponsor: SponsorId::parse("sponsor").unwrap(),
            reference: reference.to_owned(),
        };
        fund::fund(site, funded).map(drop).map_err(told)
    })
}

/// A question is asked again only if no answer to it is on record: asked twice, it is two.
fn asked(sql: &'static str) -> Run {
    Box::new(move |site: &mut Site| {
        let history = query::history(site).map_err(told)?;
        if history.iter().any(|record| record.time == site.now()) {
            return Ok(());
        }
        let request = PassRequest {
            researcher: ResearcherId::parse("r").unwrap(),
            institution: None,
            datasets: ["d".to_owned()].into(),
            purposes: [Purpose::parse("DUO:0000006").unwrap()].into(),
            claims: Claims::default(),
            expires: at("2027-11-22"),
        };
        let (_, pass) = pass::issue(site, request).map_err(told)?;
        let limits = Limits::default();
        let question = Question { pass: &pass, dataset: None, purpose: None, sql, limits };
        query::answer(site, &question).map(drop).map_err(told)
    })
}

fn settled() -> Run {
    Box::new(|site: &mut Site| {
        let (pool, period) = (PoolId::parse("p").unwrap(), Period::parse("2026-Q4").unwrap());
        settle(site, &pool, &period, false).map(drop).map_err(told)
    })
}

pub(crate) fn forgotten() -> Run {
    Box::new(|site: &mut Site| {
        let (people, reason) = ([erased::PERSON.to_owned()], "request under Art. 17 GDPR");
        erase(site, &people, reason, Versions::Destroy, false, &Silent).map(drop).map_err(told)
    })
}

/// The key that the site began with gives way to another, once.
fn rotated(role: Role) -> Run {
    Box::new(move |site: &mut Site| {
        let first = site.trust().held().iter().find(|held| held.role == role).unwrap();
        let first = first.key.key_id();
        signing::rotate(site, role, "by schedule", Some(&first)).map(drop).map_err(told)
    })
}

fn resealed() -> Run {
    Box::new(|site: &mut Site| keys::rotate_vault(site, &Silent).map(drop).map_err(told))
}

fn sound(site: &Site) -> Result<(), String> {
    erased::is_gone(site)?;
    let audited = audit::audit(site, None, &Silent).map_err(told)?;
    let findings = audited.findings();
    if findings.is_empty() { Ok(()) } else { Err(format!("the audit has findings: {findings:?}")) }
}

/// The whole life, with its files in `folder`.
pub(crate) fn life(folder: &Path) -> Life {
    let pipeline = inputs(folder);
    let act =
        |name: &'static str, now: &str, run: Run| Act { name, now: at(now), books: true, run };
    let read = |name, now, input| act(name, now, ingested(pipeline.clone(), folder.join(input)));
    let phases = vec![
        vec![
            act("grants", "2026-10-01T00:00:01Z", imported(folder.join("grants.csv"))),
            act("pool", "2026-10-01T00:00:02Z", opened()),
        ],
        vec![
            read("first version", "2026-10-02T00:00:01Z", "in"),
            act("first payment", "2026-10-02T00:00:02Z", funded("wire-1")),
        ],
        vec![act(
            "first question",
            "2026-10-03T00:00:01Z",
            asked("SELECT count(*) AS n FROM visits"),
        )],
        vec![
            act("withdrawal", "2026-11-02T00:00:01Z", imported(folder.join("withdrawal.csv"))),
            act("second payment", "2026-11-02T00:00:02Z", funded("wire-2")),
            act("third payment", "2026-10-30T00:00:03Z", funded("wire-3")),
        ],
        vec![
            act("erasure", "2026-11-02T12:00:01Z", forgotten()),
            act("fourth payment", "2026-11-02T12:00:02Z", funded("wire-4")),
            act("decisions", "2026-11-02T12:00:03Z", imported(folder.join("decisions.csv"))),
        ],
        vec![
            act("rotation", "2026-11-02T13:00:01Z", rotated(Role::Steward)),
            act("fifth payment", "2026-11-02T13:00:02Z", funded("wire-5")),
        ],
        vec![read("second version", "2026-11-03T00:00:01Z", "later")],
        vec![
            act("rotation of the log", "2026-11-03T01:00:01Z", rotated(Role::Log)),
            act("sixth payment", "2026-11-03T01:00:02Z", funded("wire-6")),
            Act {
                books: false,
                ..act("a new key for the vault", "2026-11-03T01:00:03Z", resealed())
            },
        ],
        vec![act(
            "second question",
            "2026-11-04T00:00:01Z",
            asked("SELECT count(*) AS m FROM visits"),
        )],
        vec![act("settlement", "2027-01-02T00:00:01Z", settled())],
    ];
    Life::new(folder, at("2026-10-01"), phases, Box::new(sound))
}
