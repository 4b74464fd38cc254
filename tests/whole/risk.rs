//! The risk of a version, and an expert's signed word on it: measured, signed once, checked by anyone,
//! audited.

use super::{
    commons::{Commons, files},
    people, plain,
};

fn json(commons: &Commons, args: &[&str]) -> serde_json::Value {
    let said = commons.ok(&[args, &["--format", "json"]].concat());
    serde_json::from_str(&said.out).unwrap()
}

#[test]
fn an_expert_signs_a_versions_risk_once_and_the_audit_holds_the_file_against_the_version() {
    let commons = Commons::new("risk");
    people::prepare(&commons, 200);
    let ingest = people::ingest(&commons);
    commons.ok(&ingest.each_ref().map(String::as_str));

    let page = commons.path("risk.html");
    let report = json(&commons, &["risk", "diabetes", "--html", page.to_str().unwrap()]);
    let patients = report["tables"].as_array().unwrap().iter();
    let patients = patients.clone().find(|table| table["table"] == "patients").unwrap();
    let smallest = patients["figures"]["smallest_class"].as_u64().unwrap();
    assert!(smallest >= 3, "a class of fewer than k was released");
    assert_eq!(patients["figures"]["population_unique"]["zayatz"], 0.0);
    assert!(
        patients["before"]["sample_unique"].as_f64().unwrap() > 0.0,
        "what people looked like before is not told"
    );
    let sex = patients["columns"].as_array().unwrap().iter().find(|c| c["name"] == "sex");
    let sex = sex.or_else(|| patients["columns"].as_array().unwrap().first()).unwrap();
    assert!(sex["done"].is_string());
    let html = plain::read_to_string(&page).unwrap();
    assert!(html.contains("Nobody has determined this yet"));
    for cell in html.split("class=\"figure\"").skip(1) {
        let figure = cell.split('>').nth(1).unwrap().split('<').next().unwrap().replace(',', "");
        if let Ok(rows) = figure.parse::<u64>() {
            assert!(rows >= 11, "a cell of {rows} rows is shown");
        }
    }

    let key = commons.path("expert.key");
    let made = json(&commons, &["risk", "new-key", key.to_str().unwrap()]);
    let vkey = made["key"].as_str().unwrap();
    let out = commons.path("determination.json");
    let sign = |commons: &Commons| {
        commons.ok(&[
            "risk",
            "diabetes@1",
            "--sign",
            key.to_str().unwrap(),
            "--by",
            "Dr. Ada Example",
            "--out",
            out.to_str().unwrap(),
        ])
    };
    assert!(sign(&commons).err.contains("diabetes@1 is determined"));
    let first = plain::read(&out).unwrap();
    assert!(sign(&commons).err.contains("was determined before"), "a second one was written");
    assert_eq!(plain::read(&out).unwrap(), first);
    let found = files(&commons.path("site/vault/determinations/commits"));
    assert_eq!(found.len(), 1, "one word of one expert stands twice");

    let verified = json(&commons, &["risk", "verify", out.to_str().unwrap(), "--key", vkey]);
    assert_eq!(verified["determination"]["by"], "Dr. Ada Example");
    assert!(verified["entry"].is_string(), "its entry in the book was not found");
    let shown = commons.ok(&["dataset", "show", "diabetes@1"]);
    assert!(shown.err.contains("Dr. Ada Example"), "nobody is told who determined: {}", shown.err);
    let clean = commons.run(&["audit", "--no-publish"]);
    assert_eq!(clean.code, Some(0), "{}{}", clean.out, clean.err);

    let mut text = String::from_utf8(first).unwrap();
    let at = text.find("\"payload\":\"").unwrap() + 60;
    let other = if text.as_bytes()[at] == b'A' { "B" } else { "A" };
    text.replace_range(at..=at, other);
    let bad = commons.path("bad.json");
    plain::write(&bad, text).unwrap();
    let said = commons.run(&["risk", "verify", bad.to_str().unwrap()]);
    assert_eq!(said.code, Some(7), "a changed determination was taken: {}{}", said.out, said.err);

    let object = files(&commons.path("site/vault/determinations/objects")).remove(0);
    plain::write(&object, plain::read(&bad).unwrap()).unwrap();
    let said = commons.run(&["audit", "--no-publish", "--format", "csv"]);
    assert_eq!(said.code, Some(7), "the audit takes a changed determination");
    assert!(said.out.contains("determinations/objects"), "{}", said.out);
}

#[test]
fn the_figures_of_a_file_are_those_that_arx_prints() {
    let Some(adult) = super::real_input::data("adult/adult.csv") else {
        println!("SKIPPED: no adult/adult.csv beside the project");
        return;
    };
    let commons = Commons::new("risk-file");
    let file = adult.to_str().unwrap();
    let folder = adult.parent().unwrap().to_str().unwrap();
    let columns = "sex,age,race,marital-status,education,native-country,workclass,occupation,\
                   salary-class";
    for how in [["--hierarchies", folder], ["--quasi", columns]] {
        let report = json(&commons, &[&["risk", file][..], &how, &["--region", "us"]].concat());
        let figures = &report["tables"][0]["figures"];
        let unique = &figures["population_unique"];
        for (figure, printed) in [
            (&figures["prosecutor"]["at_risk"], "0.778131"),
            (&figures["prosecutor"]["success"], "0.646575"),
            (&figures["sample_unique"], "0.514290"),
            (&unique["pitman"], "0.0388962"),
            (&unique["dankar"], "0.0388962"),
            (&unique["zayatz"], "0.264565"),
            (&unique["snb"], "0.0"),
        ] {
            let decimals = printed.len() - 2;
            let told = format!("{:.decimals$}", figure.as_f64().unwrap());
            assert_eq!(told, printed, "{how:?}: {report}");
        }
    }
    let said = commons.run(&["risk", file, "--quasi", "agee"]);
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert!(said.err.contains("`age`"), "the nearest column is not named: {}", said.err);
    let said = commons.run(&["risk", file, "--region", "us", "--sensitive", "sex"]);
    assert_eq!(said.code, Some(2), "nobody said what others may know: {}", said.err);
}
