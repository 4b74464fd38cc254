//! Stories of licences, told with two sites: a board that issues, and a commons that takes.

use super::*;
use crate::{
    credential::{LicenceAction, StatusPurpose},
    party::InstitutionId,
    pipeline::fund::tests::site as open_site,
};

/// A board and a commons that trusts it, each in its folder.
struct Two {
    board: tempfile::TempDir,
    commons: tempfile::TempDir,
}

fn at(text: &str) -> Instant {
    Instant::parse(text).unwrap()
}

fn clinic() -> Holder {
    Holder::Institution(InstitutionId::parse("north-shore").unwrap())
}

fn issue(holder: Holder, class: &str) -> Decision {
    let terms = Terms { until: Some(at("2028-01-01")), key: None };
    Decision::Issue { holder, class: class.to_owned(), terms, restriction: None }
}

impl Two {
    fn new() -> Self {
        let two =
            Self { board: tempfile::tempdir().unwrap(), commons: tempfile::tempdir().unwrap() };
        let key = make_issuer(&two.board("2026-01-01")).unwrap();
        trust(&two.board("2026-01-01"), &key, None).unwrap();
        trust(&two.commons("2026-01-02"), &key, None).unwrap();
        two
    }

    fn board(&self, now: &str) -> Site {
        open_site(&self.board, now)
    }

    fn commons(&self, now: &str) -> Site {
        open_site(&self.commons, now)
    }

    fn decide(&self, day: &str, licence: &str, decision: Decision) -> String {
        decide(&self.board(day), licence, decision, None).unwrap().credential
    }

    fn file(&self, tokens: &[&str]) -> PathBuf {
        let path = self.commons.path().join("tokens.jwt");
        std::fs::write(&path, tokens.join("\n")).unwrap();
        path
    }

    fn import(&self, day: &str, tokens: &[&str]) -> Outcome {
        import(&self.commons(day), &self.file(tokens)).unwrap()
    }

    fn standing(&self, day: &str) -> Standing {
        status(&self.commons("2026-12-01"), &clinic(), at(day), None).unwrap()
    }
}

#[test]
fn a_clinics_year_goes_from_the_board_to_the_commons_and_stands_there_alike() {
    let two = Two::new();
    let issued = two.decide("2026-01-05", "H-1", issue(clinic(), "hospital"));
    let suspended = two.decide("2026-03-01", "H-1", Decision::Suspend);
    let reinstated = two.decide("2026-05-01", "H-1", Decision::Reinstate);
    let told = two.import("2026-06-01", &[&reinstated, &issued, &suspended]);
    assert_eq!((told.institutions, told.rejected, told.commits.len()), (3, 0, 1));
    assert!(two.standing("2026-02-28").stands());
    assert_eq!(two.standing("2026-04-01"), Standing::Suspended { since: at("2026-03-01") });
    assert!(two.standing("2026-05-01").stands());
    let again = two.import("2026-07-01", &[&issued, &suspended, &reinstated]);
    assert_eq!((again.known, again.commits.len()), (3, 0), "an import told twice stands twice");
    // What the commons knew before it was told.
    let before = status(&two.commons("2026-12-01"), &clinic(), at("2026-04-01"), Some(1)).unwrap();
    assert_eq!(before, Standing::Unknown);
    let shown = export(&two.commons("2026-12-01"), &clinic()).unwrap();
    assert_eq!(shown, issued, "the clinic would show another credential than the board signed");
}

#[test]
fn a_decision_made_twice_is_made_once() {
    let two = Two::new();
    two.decide("2026-01-05", "H-1", issue(clinic(), "hospital"));
    let one = decide(&two.board("2026-03-01"), "H-1", Decision::Suspend, None).unwrap();
    let two_ = decide(&two.board("2026-03-02"), "H-1", Decision::Suspend, None).unwrap();
    assert_eq!((one.outcome.commits.len(), two_.outcome.commits.len()), (1, 0));
    assert_eq!(one.credential, two_.credential);
    let key = own_issuer(&two.board("2026-03-02")).unwrap();
    assert_eq!(make_issuer(&two.board("2026-03-03")).unwrap(), key, "a second key was made");
    let trusted = trust(&two.board("2026-03-03"), &key, None).unwrap();
    assert_eq!((trusted.known, trusted.commits.len()), (1, 0));
    let revoked = decide(&two.board("2026-04-01"), "H-1", Decision::Revoke, None).unwrap();
    assert_eq!(revoked.event.action, LicenceAction::Revoke);
    let back = decide(&two.board("2026-05-01"), "H-1", Decision::Reinstate, None);
    assert!(matches!(back, Err(Error::Refused(Refusal::Revoked))), "a revoked licence came back");
    let none = decide(&two.board("2026-05-01"), "H-2", Decision::Suspend, None);
    assert!(matches!(none, Err(Error::NoLicence)));
}

#[test]
fn a_site_without_a_trusted_key_of_its_own_issues_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let site = open_site(&folder, "2026-01-01");
    let early = decide(&site, "H-1", issue(clinic(), "hospital"), None);
    assert!(matches!(early, Err(Error::NoIssuer)));
    make_issuer(&site).unwrap();
    let untrusted = decide(&site, "H-1", issue(clinic(), "hospital"), None);
    assert!(matches!(untrusted, Err(Error::OwnKey(_))));
    assert!(!Licences::load(&site.vault()).unwrap().is_kept());
    assert_eq!(facts(&site, None).unwrap(), None, "a page of licences nobody keeps");
}

#[test]
fn an_untrusted_issuers_file_is_refused_line_by_line_and_the_rest_kept() {
    let (two, other) = (Two::new(), Two::new());
    let good = two.decide("2026-01-05", "H-1", issue(clinic(), "hospital"));
    let strange = other.decide("2026-01-05", "H-9", issue(clinic(), "hospital"));
    let told = two.import("2026-02-01", &[&strange, "no token", "", &good]);
    assert_eq!((told.institutions, told.rejected), (1, 2));
    let lines: Vec<usize> = told.rejects.iter().map(|reject| reject.line).collect();
    assert_eq!(lines, [1, 2]);
    // Both boards bear one name here, so it is the key that gives the stranger away.
    assert!(told.rejects[0].to_string().contains("key"), "{}", told.rejects[0]);
    let path = two.file(&["almoner/pass/v1"]);
    assert!(matches!(import(&two.commons("2026-02-01"), &path), Err(Error::NoToken(_))));
}

#[test]
fn what_cannot_be_is_left_out_and_the_rest_of_the_file_kept() {
    let two = Two::new();
    let issued = two.decide("2026-01-05", "H-1", issue(clinic(), "hospital"));
    let suspended = two.decide("2026-03-01", "H-1", Decision::Suspend);
    let early = two.import("2026-03-02", &[&suspended]);
    assert_eq!(early.rejects[0].why, Unfit::Refused(Refusal::NotIssued));
    assert!(early.commits.is_empty(), "a suspension of nothing was recorded");
    let told = two.import("2026-03-03", &[&suspended, &issued]);
    assert_eq!((told.institutions, told.rejected), (2, 0), "together they make sense");
}

#[test]
fn when_trust_ends_what_was_decided_stays_and_nothing_new_is_taken() {
    let two = Two::new();
    let issued = two.decide("2026-01-05", "H-1", issue(clinic(), "hospital"));
    two.import("2026-02-01", &[&issued]);
    let suspended = two.decide("2026-03-01", "H-1", Decision::Suspend);
    let issuer = own_issuer(&two.board("2026-03-01")).unwrap().name().to_owned();
    distrust(&two.commons("2026-04-01"), &issuer, None).unwrap();
    let again = distrust(&two.commons("2026-04-02"), &issuer, None).unwrap();
    assert!(again.commits.is_empty(), "trust ended twice");
    let late = two.import("2026-04-03", &[&suspended]);
    assert_eq!(late.rejects[0].why, Unfit::Credential(CredentialError::Untrusted));
    assert!(two.standing("2026-11-01").stands(), "the end of trust took a licence");
    let register = Licences::load(&two.commons("2026-05-01").vault()).unwrap();
    assert!(register.is_kept(), "to end trust in the last issuer would end the rules");
    assert!(matches!(
        distrust(&two.commons("2026-05-01"), "nobody.example", None),
        Err(Error::NotTrusted(_))
    ));
    // Trusted again, the issuer counts from that day on; what it decided in between does not.
    let key = own_issuer(&two.board("2026-06-01")).unwrap();
    trust(&two.commons("2026-06-01"), &key, None).unwrap();
    let between = two.import("2026-06-02", &[&suspended]);
    assert_eq!(between.rejects[0].why, Unfit::Refused(Refusal::Untrusted));
    let later = two.decide("2026-07-01", "H-1", Decision::Reinstate);
    let later = two.import("2026-07-02", &[&later]);
    assert_eq!(later.rejects.len(), 1, "a reinstatement of what never rested here");
}

#[test]
fn a_stolen_keys_decisions_fall_with_trust_that_ends_in_the_past() {
    let two = Two::new();
    let issued = two.decide("2026-01-05", "H-1", issue(clinic(), "hospital"));
    let forged = two.decide("2026-06-01", "H-2", issue(clinic(), "laboratory"));
    two.import("2026-06-02", &[&issued, &forged]);
    let issuer = own_issuer(&two.board("2026-06-02")).unwrap().name().to_owned();
    distrust(&two.commons("2026-07-01"), &issuer, Some(at("2026-05-01"))).unwrap();
    let history = history(&two.commons("2026-07-02"), &clinic()).unwrap();
    let refused: Vec<Option<Refusal>> = history.iter().map(|held| held.refused).collect();
    assert_eq!(refused, [None, Some(Refusal::Untrusted)]);
    // What the commons knew before it was told of the theft.
    let register = Licences::load_at(&two.commons("2026-07-02").vault(), 2).unwrap();
    assert!(register.held().iter().all(|held| held.refused.is_none()));
}

#[test]
fn a_status_list_tells_of_march_and_an_old_one_leaves_may_alone() {
    let two = Two::new();
    let issued = two.decide("2026-01-05", "H-1", issue(clinic(), "hospital"));
    let doctor = Holder::practitioner("160").unwrap();
    let physician = two.decide("2026-01-06", "P-7", issue(doctor.clone(), "physician"));
    let told = two.import("2026-02-01", &[&issued, &physician]);
    assert_eq!((told.practitioners, told.bad_npis), (1, 1), "a bad identifier is kept and told");
    two.decide("2026-03-01", "H-1", Decision::Suspend);
    let list = |day, purpose| status_list(&two.board(day), purpose).unwrap();
    let march = list("2026-03-02", StatusPurpose::Suspension);
    let told = two.import("2026-03-03", &[&march]);
    assert_eq!((told.institutions, told.practitioners), (1, 0));
    assert_eq!(two.standing("2026-03-02"), Standing::Suspended { since: at("2026-03-02") });
    assert!(two.standing("2026-03-01").stands(), "a list spoke of the day before it");
    let again = two.import("2026-03-04", &[&march]);
    assert!(again.commits.is_empty(), "the same list told twice");
    let reinstated = two.decide("2026-05-01", "H-1", Decision::Reinstate);
    two.import("2026-05-02", &[&reinstated]);
    let old = two.import("2026-05-03", &[&march]);
    assert!(old.commits.is_empty());
    assert!(two.standing("2026-05-03").stands(), "an old list undid a reinstatement");
    two.decide("2026-06-01", "P-7", Decision::Revoke);
    let told = two.import("2026-06-03", &[&list("2026-06-02", StatusPurpose::Revocation)]);
    assert_eq!(told.practitioners, 1);
    let worth = status(&two.commons("2026-06-03"), &doctor, at("2026-06-03"), None).unwrap();
    assert_eq!(worth, Standing::Revoked { since: at("2026-06-02") });
    let verified = verify(&two.commons("2026-06-03"), &physician).unwrap();
    assert_eq!(verified.standing, Some(worth), "an old credential hides a revocation");
}

#[test]
fn the_page_tells_of_institutions_by_name_and_the_book_of_no_practitioner() {
    let two = Two::new();
    let npi = "1234567893";
    let doctor = Holder::practitioner(npi).unwrap();
    let tokens = [
        two.decide("2026-01-05", "H-1", issue(clinic(), "hospital")),
        two.decide("2026-01-06", "P-7", issue(doctor, "physician")),
        two.decide("2026-03-01", "H-1", Decision::Suspend),
    ];
    two.import("2026-03-02", &[&tokens[0], &tokens[1], &tokens[2]]);
    let site = two.commons("2026-03-03");
    crate::pipeline::publish::publish(&site).unwrap();
    let page = String::from_utf8(site.public().get("licences.html").unwrap().to_vec()).unwrap();
    assert!(page.contains("north-shore") && page.contains("has been suspended since"));
    let index = String::from_utf8(site.public().get("index.html").unwrap().to_vec()).unwrap();
    assert!(index.contains("licences.html"), "nobody finds the page");
    for zone in [site.public(), site.ledger()] {
        for object in zone.list("").unwrap() {
            let bytes = zone.get(&object.path).unwrap();
            let text = String::from_utf8_lossy(&bytes);
            assert!(!text.contains(npi) && !text.contains("P-7"), "named in {}", object.path);
        }
    }
    // Anyone can hold the page's decisions against the roots in the book.
    let facts = facts(&site, None).unwrap().unwrap();
    assert_eq!(facts.records.len(), 1);
    let record = &facts.records[0];
    let leaves: Vec<Vec<u8>> =
        record.decisions.iter().map(|event| crate::digest::canonical(event).unwrap()).collect();
    assert_eq!(crate::ledger::tree::root(&leaves), record.root);
    assert_eq!(facts.practitioners[0].count.to_string(), "<11");
}

#[test]
fn an_act_of_yesterday_is_refused() {
    let two = Two::new();
    let token = two.decide("2026-03-01", "H-1", issue(clinic(), "hospital"));
    two.import("2026-03-02", &[&token]);
    let late = import(&two.commons("2026-03-01"), &two.file(&[&token]));
    assert!(matches!(late, Err(Error::Clock { .. })));
}
