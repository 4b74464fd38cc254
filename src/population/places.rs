//! Streets, towns and diagnoses to pick from; towns and ZIP codes are real, people are not.

/// A town and its ZIP code.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) city: &'static str,
    pub(super) zip: &'static str,
}

/// Towns by weight. The last ones lie in three-digit areas of under 20,000 people (census 2020),
/// which no release may show.
pub(super) const PLACES: &[(u64, Place)] = &[
    (17, Place { city: "Cambridge", zip: "02139" }),
    (16, Place { city: "Medford", zip: "02155" }),
    (14, Place { city: "Quincy", zip: "02169" }),
    (11, Place { city: "Lowell", zip: "01852" }),
    (10, Place { city: "Lawrence", zip: "01841" }),
    (8, Place { city: "Haverhill", zip: "01830" }),
    (7, Place { city: "Framingham", zip: "01701" }),
    (6, Place { city: "Marlborough", zip: "01752" }),
    (5, Place { city: "Natick", zip: "01760" }),
    (3, Place { city: "Charlestown", zip: "03603" }),
    (2, Place { city: "Walpole", zip: "03608" }),
    (1, Place { city: "Canaan", zip: "05903" }),
];

/// ZIP codes of the flat table, in few three-digit areas so that small tables keep their classes;
/// the last one lies in a restricted area.
pub(super) const ZIPS: &[&str] = &[
    "02139", "02155", "02169", "01852", "01841", "01830", "01701", "01752", "01760", "60614",
    "60618", "60647", "10025", "10002", "10029", "11201", "11226", "11215", "77006", "77036",
    "77084", "90026", "90011", "90044", "94110", "94112", "94122", "19104", "19120", "03608",
];

pub(super) const STREETS: &[&str] = &[
    "Alder",
    "Ash",
    "Beacon",
    "Birch",
    "Bridge",
    "Canal",
    "Cedar",
    "Chapel",
    "Chestnut",
    "Dover",
    "Elm",
    "Essex",
    "Fairview",
    "Franklin",
    "Grove",
    "Harbor",
    "Hawthorne",
    "Hill",
    "Juniper",
    "Lake",
    "Laurel",
    "Liberty",
    "Linden",
    "Locust",
    "Maple",
    "Meadow",
    "Mill",
    "Myrtle",
    "Oak",
    "Orchard",
    "Park",
    "Pearl",
    "Pine",
    "Prospect",
    "River",
    "School",
    "Spruce",
    "Summer",
    "Sycamore",
    "Tremont",
    "Walnut",
    "Willow",
];

pub(super) const RACES: &[(u64, &str)] = &[
    (62, "white"),
    (13, "black"),
    (9, "asian"),
    (2, "native"),
    (1, "pacific"),
    (8, "other"),
    (5, ""),
];

pub(super) const PAYERS: &[(u64, &str)] =
    &[(40, "private"), (34, "medicare"), (19, "medicaid"), (7, "self-pay")];

/// Kinds of visits (HL7 v3 `ActCode`) by weight: code, minutes, and cost in cents about which bills
/// are spread.
pub(super) const KINDS: &[(u64, (&str, i64, i64))] = &[
    (70, ("AMB", 35, 18_500)),
    (14, ("VR", 20, 9_000)),
    (10, ("EMER", 260, 145_000)),
    (6, ("IMP", 4_300, 1_150_000)),
];

/// A diagnosis in both code systems.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Diagnosis {
    pub(super) icd: &'static str,
    pub(super) snomed: &'static str,
}

pub(super) const DIABETES: Diagnosis = Diagnosis { icd: "E11.9", snomed: "44054006" };

/// What people with diabetes get more often, in parts per million.
pub(super) const COMPLICATIONS: &[(u64, Diagnosis)] = &[
    (260_000, Diagnosis { icd: "E11.22", snomed: "127013003" }),
    (180_000, Diagnosis { icd: "E11.42", snomed: "368581000119106" }),
    (120_000, Diagnosis { icd: "E11.319", snomed: "422034002" }),
    (70_000, Diagnosis { icd: "E11.649", snomed: "421437000" }),
];

/// Lasting diagnoses: parts per million at 20 and at 80 years of age, between them on a line.
pub(super) const LASTING: &[(u64, u64, Diagnosis)] = &[
    (40_000, 700_000, Diagnosis { icd: "I10", snomed: "59621000" }),
    (30_000, 550_000, Diagnosis { icd: "E78.5", snomed: "55822004" }),
    (180_000, 260_000, Diagnosis { icd: "E66.9", snomed: "414916001" }),
    (2_000, 230_000, Diagnosis { icd: "I25.10", snomed: "53741008" }),
    (1_000, 200_000, Diagnosis { icd: "N18.3", snomed: "433144002" }),
    (80_000, 70_000, Diagnosis { icd: "J45.909", snomed: "195967001" }),
    (2_000, 130_000, Diagnosis { icd: "J44.9", snomed: "13645005" }),
    (90_000, 110_000, Diagnosis { icd: "F32.9", snomed: "35489007" }),
    (8_000, 420_000, Diagnosis { icd: "M19.90", snomed: "396275006" }),
    (1_000, 110_000, Diagnosis { icd: "I48.91", snomed: "49436004" }),
];

/// Diagnoses that come and go, by weight.
pub(super) const PASSING: &[(u64, Diagnosis)] = &[
    (30, Diagnosis { icd: "J06.9", snomed: "54150009" }),
    (16, Diagnosis { icd: "M54.50", snomed: "279039007" }),
    (12, Diagnosis { icd: "N39.0", snomed: "68566005" }),
    (10, Diagnosis { icd: "R51.9", snomed: "25064002" }),
    (9, Diagnosis { icd: "K21.9", snomed: "235595009" }),
    (8, Diagnosis { icd: "J20.9", snomed: "10509002" }),
    (7, Diagnosis { icd: "R07.9", snomed: "29857009" }),
    (5, Diagnosis { icd: "L03.90", snomed: "128045006" }),
    (3, Diagnosis { icd: "S93.409A", snomed: "44465007" }),
];
