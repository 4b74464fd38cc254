//! The act on small files: whatever they are written like, and whatever is wrong with them.

use super::{
    asked::{Closeness, Presence},
    *,
};
use crate::pipeline::Silent;

const CANARY: &str = "CANARY-7f3a";

/// A folder with the rows of `people.csv` and hierarchies of `age` and `marital-status`.
struct Files(tempfile::TempDir);

impl Files {
    fn new(rows: &str) -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        files.write("people.csv", rows);
        files.write("people_hierarchy_marital-status.csv", "single;*\nmarried;*\n");
        files.write("people_hierarchy_age.csv", "1;0-4;*\n2;0-4;*\n7;5-9;*\n8;5-9;*\n");
        files
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn asked(&self) -> Asked {
        Asked {
            file: self.0.path().join("people.csv"),
            hierarchies: self.0.path().to_owned(),
            quasi: Vec::new(),
            sensitive: Vec::new(),
            population: None,
            trim: false,
            privacy: Privacy { k: Some(2), ..Privacy::default() },
            suppress: Fraction::parse("0").unwrap(),
            metric: Metric::Loss,
            recode: false,
            time_limit: None,
            output: None,
        }
    }
}

fn find(asked: &Asked) -> Result<Found, Error> {
    search(asked, &|| Duration::ZERO, &Silent)
}

const ROWS: &str = "id;marital-status;illness;age\n\
    a;single;flu;1\nb;single;flu;2\nc;single;flu;7\nd;single;cold;8\n";

#[test]
fn columns_with_a_hierarchy_are_searched_in_the_order_of_the_file() {
    let files = Files::new(ROWS);
    files.write("people_hierarchy_weight.csv", "1;*\n");
    let found = find(&files.asked()).unwrap();
    assert_eq!(found.columns, ["marital-status", "age"]);
    assert_eq!((found.levels, found.levels_most), (vec![0, 1], vec![1, 2]));
    assert_eq!((found.rows, found.classes, found.smallest_class), (4, 2, 2));
    assert_eq!((found.lattice, found.suppressed_rows, found.optimal), (6, 0, true));
    let warned = found.warnings.iter().any(|one| one.contains("`weight`"));
    assert!(warned, "a hierarchy of no column is not told: {:?}", found.warnings);
}

#[test]
fn the_same_rows_are_found_however_the_file_is_written() {
    let files = Files::new(ROWS);
    let plain = find(&files.asked()).unwrap();
    let quoted: String = ROWS
        .lines()
        .map(|line| {
            let cells: Vec<String> = line.split(';').map(|cell| format!("\"{cell}\"")).collect();
            cells.join(",") + "\r\n"
        })
        .collect();
    for text in [ROWS.replace(';', ","), ROWS.replace(';', "\t"), format!("\u{feff}{quoted}\r\n")] {
        files.write("people.csv", &text);
        assert_eq!(find(&files.asked()).unwrap(), plain, "another answer of {text:?}");
    }
    let packed = zstd::encode_all(ROWS.as_bytes(), 3).unwrap();
    files.write("people.csv", packed);
    assert_eq!(find(&files.asked()).unwrap(), plain, "a packed file is another");
}

#[test]
fn a_sensitive_column_is_no_quasi_identifier_even_with_a_hierarchy() {
    let files = Files::new(ROWS);
    let asked = Asked {
        sensitive: vec!["age".to_owned()],
        privacy: Privacy {
            k: Some(1),
            closeness: vec!["hierarchical:0.1".parse::<Closeness>().unwrap()],
            ..Privacy::default()
        },
        ..files.asked()
    };
    let found = find(&asked).unwrap();
    assert_eq!(found.columns, ["marital-status"]);
    let illness = Asked {
        sensitive: vec!["illness".to_owned()],
        privacy: Privacy { diversity: vec![Diversity::Distinct(2)], ..Privacy::default() },
        ..files.asked()
    };
    let found = find(&illness).unwrap();
    assert_eq!(found.levels, [0, 2], "a class of one illness stays");
}

#[test]
fn what_is_written_holds_no_row_that_breaks_a_model_and_no_other_column() {
    let files = Files::new(&format!("{ROWS}e;married;{CANARY};1\n"));
    let output = files.0.path().join("out.csv");
    let asked = Asked {
        sensitive: vec!["illness".to_owned()],
        suppress: Fraction::parse("0.2").unwrap(),
        output: Some(output.clone()),
        ..files.asked()
    };
    let found = find(&asked).unwrap();
    assert_eq!(found.suppressed_rows, 1);
    let written = found.written.unwrap();
    assert_eq!((written.rows, written.left_out), (4, 1));
    assert_eq!(written.other_columns, ["id"]);
    let text = std::fs::read_to_string(&output).unwrap();
    let wanted = "marital-status;age;illness\n\
        single;0-4;flu\nsingle;0-4;flu\nsingle;5-9;flu\nsingle;5-9;cold\n";
    assert_eq!(text, wanted);
}

#[test]
fn local_recoding_leaves_no_row_out() {
    let files = Files::new(&format!("{ROWS}e;single;flu;1\n"));
    let output = files.0.path().join("out.csv");
    let asked = Asked {
        suppress: Fraction::parse("0.6").unwrap(),
        recode: true,
        output: Some(output.clone()),
        ..files.asked()
    };
    let found = find(&asked).unwrap();
    let recoded = found.recoded.unwrap();
    assert_eq!(recoded.suppressed_rows, 0);
    assert!(recoded.smallest_class >= 2, "a class is too small: {recoded:?}");
    let text = std::fs::read_to_string(output).unwrap();
    assert_eq!(text.lines().count(), 6, "a row is lost:\n{text}");
}

#[test]
fn rows_are_counted_among_the_population_that_they_are_of() {
    let files = Files::new("age;marital-status\n1;single\n7;single\n");
    let others = "marital-status;age\nsingle;7\nsingle;2\nsingle;1\nsingle;8\n";
    let population = files.write("all.csv", others);
    let asked = Asked {
        population: Some(population.clone()),
        privacy: Privacy { k_map: Some(2), ..Privacy::default() },
        ..files.asked()
    };
    let found = find(&asked).unwrap();
    assert_eq!((found.rows, found.levels), (2, vec![1, 0]), "the population counts for nothing");
    let half = Some("0.4:0.6".parse::<Presence>().unwrap());
    let presence = Privacy { presence: half, ..Privacy::default() };
    let found = find(&Asked { privacy: presence, ..asked.clone() }).unwrap();
    assert_eq!(found.levels, [1, 0], "a class that is released whole stays");
    std::fs::write(population, "marital-status;age\nsingle;7\nsingle;2\n").unwrap();
    let error = find(&asked).unwrap_err();
    assert!(matches!(error, Error::Population { strangers: 1 }), "{error}");
}

/// Everything that an error shows to people.
fn shown(error: &Error) -> String {
    let mut text = vec![error.to_string()];
    if let Error::Hierarchies(faults) = error {
        let hint = |fault: &Fault| fault.hint_text().unwrap_or_default().to_owned();
        text.extend(faults.iter().map(|fault| format!("{fault}\n{}", hint(fault))));
    }
    text.join("\n")
}

#[test]
fn values_that_hierarchies_miss_are_told_by_file_and_number_for_all_columns_at_once() {
    let rows = format!("{ROWS}e;{CANARY};flu;1\nf;single;flu;{CANARY}\ng; single;flu;\n");
    let files = Files::new(&rows);
    let error = find(&files.asked()).unwrap_err();
    let text = shown(&error);
    assert!(text.contains("misses 2 values of column `marital-status`, in 2 rows"), "{text}");
    assert!(text.contains("misses 2 values of column `age`, in 2 rows"), "{text}");
    assert!(text.contains("people_hierarchy_age.csv:4"), "the file's line is not told: {text}");
    assert!(text.contains("`--trim`") && text.contains("empty cell"), "{text}");
    assert!(!text.contains(CANARY), "a value is told: {text}");
    files.write("people.csv", "age;marital-status\n1;single\n1; single \n");
    assert!(find(&Asked { trim: true, ..files.asked() }).is_ok(), "spaces were not taken off");
}

#[test]
fn a_question_that_cannot_be_answered_says_why() {
    let files = Files::new(ROWS);
    let asked = files.asked();
    let refused = |change: &dyn Fn(&mut Asked)| {
        let mut asked = asked.clone();
        change(&mut asked);
        shown(&find(&asked).unwrap_err())
    };
    let told = refused(&|asked| asked.privacy.k = Some(5));
    assert_eq!(told, "k is 5, and the table has 4 rows");
    let told = refused(&|asked| {
        asked.sensitive = vec!["age".to_owned()];
        asked.quasi = vec!["age".to_owned()];
    });
    assert_eq!(told, "column `age` is named as a quasi-identifier and as sensitive");
    let told = refused(&|asked| asked.sensitive = vec!["ilness".to_owned()]);
    assert!(told.contains("has no column `ilness`"), "{told}");
    let told = refused(&|asked| asked.quasi = vec!["illness".to_owned()]);
    assert!(told.contains("holds no hierarchy of column `illness`"), "{told}");
    let told = refused(&|asked| {
        asked.sensitive = vec!["illness".to_owned()];
        asked.privacy.diversity = vec![Diversity::Distinct(3)];
    });
    assert_eq!(told, "l is 3, and column `illness` has 2 values");
    let told = refused(&|asked| asked.privacy.diversity = vec![Diversity::Distinct(3)]);
    assert!(told.contains("sensitive column"), "{told}");
    let told = refused(&|asked| asked.privacy = Privacy::default());
    assert!(told.contains("no privacy model"), "{told}");
    let told = refused(&|asked| asked.output = Some(asked.file.clone()));
    assert!(told.contains("is the file that is read"), "{told}");
    let told = refused(&|asked| asked.privacy.k_map = Some(2));
    assert!(told.contains("population"), "{told}");
    let told = refused(&|asked| {
        asked.quasi = vec!["age".to_owned()];
        asked.sensitive = vec!["marital-status".to_owned()];
        asked.file = "/nowhere.csv".into();
    });
    assert!(told.contains("cannot be read"), "{told}");
}

#[test]
fn a_file_that_is_no_table_says_why() {
    for (text, why) in [
        ("", "has no row"),
        ("age;marital-status\n", "has no row"),
        ("age;marital-status\n1;single\n2\n", "1 rows of"),
        ("weight;height\n1;2\n", "no column of"),
        ("age;age\n1;1\n", "the same"),
    ] {
        let files = Files::new(text);
        let told = shown(&find(&files.asked()).unwrap_err());
        assert!(told.contains(why), "{text:?}: {told}");
    }
    let files = Files::new(ROWS);
    files.write("people_hierarchy_age.csv", "1;0-4;*\n2;0-4\n1;5-9;*\n");
    let told = shown(&find(&files.asked()).unwrap_err());
    assert!(told.contains("age.csv:2:1: 2 cells") && told.contains("age.csv:3:1"), "{told}");
    files.write("people_hierarchy_age.csv", b"1;*\n\xff;*\n");
    let told = shown(&find(&files.asked()).unwrap_err());
    assert!(told.contains("not UTF-8 in line 2"), "{told}");
}

#[test]
fn a_lattice_that_cannot_be_counted_is_refused() {
    let files = Files::new("");
    let columns: Vec<String> = (0..64).map(|at| format!("c{at}")).collect();
    for column in &columns {
        files.write(&format!("people_hierarchy_{column}.csv"), "0;*\n");
    }
    let row = vec!["0"; 64].join(";");
    files.write("people.csv", format!("{}\n{row}\n{row}\n", columns.join(";")));
    let told = shown(&find(&files.asked()).unwrap_err());
    assert!(told.contains("lattice of more than"), "{told}");
}
