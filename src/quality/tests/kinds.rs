//! Rules of each kind that judges rows, with visits of which some fail, and the lines that do.

/// Each kind: its rule, visits of which some fail, and the lines that do.
pub(super) const KINDS: &[(&str, &[&str], &[u64])] = &[
    (
        "table = \"visits\"\nkind = \"primary-key\"\ncolumns = [\"visit\"]",
        &["v1,ann,,,,,,,,", "v1,bob,,,,,,,,", ",cay,,,,,,,,", "v2,cay,,,,,,,,"],
        &[3, 4],
    ),
    (
        "table = \"visits\"\nkind = \"foreign-key\"\ncolumn = \"who\"\nto = \"patients.id\"",
        &["v1,ann,,,,,,,,", "v2,dan,,,,,,,,"],
        &[3],
    ),
    (
        "table = \"visits\"\nkind = \"required\"\ncolumns = [\"code\", \"value\"]",
        &["v1,ann,,,,A,1,,,", "v2,ann,,,,,1,,,", "v3,ann,,,,A,,,,"],
        &[3, 4],
    ),
    (
        "table = \"visits\"\nkind = \"allowed-codes\"\ncolumn = \"code\"\ncodes = [\"A\", \"B\"]",
        &["v1,ann,,,,A,,,,", "v2,ann,,,,C,,,,", "v3,ann,,,,,,,,"],
        &[3],
    ),
    (
        "table = \"visits\"\nkind = \"allowed-codes\"\ncolumn = \"count\"\ncodes = [7, 8]",
        &["v1,ann,,,,,,,7,", "v2,ann,,,,,,,9,", "v3,ann,,,,,,,,"],
        &[3],
    ),
    (
        "table = \"visits\"\nkind = \"range\"\ncolumn = \"value\"\nmin = 1\nmax = 2.5",
        &[
            "v1,ann,,,,,1,,,",
            "v2,ann,,,,,2.5,,,",
            "v3,ann,,,,,0.9,,,",
            "v4,ann,,,,,2.6,,,",
            "v,ann,,,,,,,,",
        ],
        &[4, 5],
    ),
    (
        "table = \"visits\"\nkind = \"range\"\ncolumn = \"from\"\nmin = 1969-12-31",
        &["v1,ann,1969-12-31T00:00:00Z,,,,,,,", "v2,ann,1969-12-30T23:59:59Z,,,,,,,"],
        &[3],
    ),
    (
        "table = \"visits\"\nkind = \"range-by-unit\"\ncolumn = \"value\"\nunit = \"unit\"\n\
         code = \"code\"\nranges = [{ unit = \"kg\", code = \"W\", max = 300 }, { unit = \"cm\", min = 30 }]",
        &[
            "v1,ann,,,,W,301,kg,,",
            "v2,ann,,,,X,301,kg,,",
            "v3,ann,,,,W,29,cm,,",
            "v4,ann,,,,W,400,lb,,",
            "v5,ann,,,,W,400,,,",
        ],
        &[2, 4],
    ),
    (
        "table = \"visits\"\nkind = \"units-of-code\"\ncolumn = \"unit\"\ncode = \"code\"\n\
         units = [{ code = \"W\", units = [\"kg\", \"g\"] }]",
        &["v1,ann,,,,W,,kg,,", "v2,ann,,,,W,,lb,,", "v3,ann,,,,X,,lb,,", "v4,ann,,,,W,,,,"],
        &[3],
    ),
    (
        "table = \"visits\"\nkind = \"pattern\"\ncolumn = \"code\"\npattern = '[A-Z]\\d|Z'",
        &[
            "v1,ann,,,,A1,,,,",
            "v2,ann,,,,A12,,,,",
            "v3,ann,,,,xA1,,,,",
            "v4,ann,,,,Z,,,,",
            "v5,ann,,,,,,,,",
        ],
        &[3, 4],
    ),
    (
        "table = \"visits\"\nkind = \"unique-share\"\ncolumns = [\"code\"]",
        &["v1,ann,,,,A,,,,", "v2,ann,,,,A,,,,", "v3,ann,,,,,,,,", "v4,ann,,,,,,,,"],
        &[3],
    ),
    (
        "table = \"visits\"\nkind = \"duplicates\"\ncolumns = [\"who\", \"code\"]",
        &[
            "v1,ann,,,,A,,,,",
            "v2,bob,,,,A,,,,",
            "v3,ann,,,,,,,,",
            "v4,ann,,,,,,,,",
            "v5,ann,,,,A,,,,",
        ],
        &[5, 6],
    ),
    (
        "table = \"visits\"\nkind = \"during-life\"\ncolumn = \"from\"\nbirth = \"patients.born\"\n\
         death = \"patients.died\"\ngrace_days = 1",
        &[
            "v1,ann,1950-02-28T23:00:00Z,,,,,,,",
            "v2,ann,1950-02-27T23:59:59Z,,,,,,,",
            "v3,bob,2020-05-06T23:59:59Z,,,,,,,",
            "v4,bob,2020-05-07T00:00:00Z,,,,,,,",
            "v5,cay,1800-01-01T00:00:00Z,,,,,,,",
        ],
        &[3, 5],
    ),
    (
        "table = \"visits\"\nkind = \"during-life\"\ncolumn = \"day\"\nbirth = \"patients.year\"",
        &[
            "v1,ann,,,1950-01-01,,,,,",
            "v2,ann,,,1949-12-31,,,,,",
            "v3,bob,,,1960-01-01,,,,,",
            "v4,bob,,,1959-12-31,,,,,",
        ],
        &[3, 5],
    ),
    (
        "table = \"visits\"\nkind = \"before-death\"\ncolumn = \"day\"\ndeath = \"patients.died\"",
        &["v1,bob,,,2020-05-05,,,,,", "v2,bob,,,2020-05-06,,,,,", "v3,ann,,,2020-05-06,,,,,"],
        &[3],
    ),
    (
        "table = \"visits\"\nkind = \"temporal-order\"\ncolumns = [\"from\", \"until\"]",
        &[
            "v1,ann,2020-01-01T10:00:00Z,2020-01-01T10:00:00Z,,,,,,",
            "v2,ann,2020-01-01T10:00:01Z,2020-01-01T10:00:00Z,,,,,,",
            "v3,ann,2020-01-01T10:00:00Z,,,,,,,",
        ],
        &[3],
    ),
    (
        "table = \"visits\"\nkind = \"temporal-order\"\ncolumns = [\"from\", \"day\"]",
        &[
            "v1,ann,1960-01-01T23:00:00Z,,1960-01-01,,,,,",
            "v2,ann,1960-01-02T00:00:00Z,,1960-01-01,,,,,",
        ],
        &[3],
    ),
    (
        "table = \"visits\"\nkind = \"duration\"\ncolumns = [\"from\", \"until\"]\nmin_days = 0.5\nmax_days = 1",
        &[
            "v1,ann,2020-01-01T00:00:00Z,2020-01-02T00:00:00Z,,,,,,",
            "v2,ann,2020-01-01T00:00:00Z,2020-01-02T00:00:01Z,,,,,,",
            "v3,ann,2020-01-01T00:00:00Z,2020-01-01T11:00:00Z,,,,,,",
            "v4,ann,,2020-01-01T00:00:00Z,,,,,,",
        ],
        &[3, 4],
    ),
    (
        "table = \"visits\"\nkind = \"within-span\"\ncolumn = \"day\"\nby = \"after\"\nof = \"visits.visit\"\n\
         from = \"from\"\nuntil = \"until\"\ngrace_days = 1",
        &[
            "v1,ann,2020-01-01T10:00:00Z,2020-01-03T10:00:00Z,,,,,,",
            "v2,ann,,,2019-12-31,,,,,v1",
            "v3,ann,,,2019-12-30,,,,,v1",
            "v4,ann,,,2020-01-05,,,,,v1",
            "v5,ann,,,2020-01-05,,,,,v9",
        ],
        &[4, 5],
    ),
    (
        "table = \"visits\"\nkind = \"sex-specific-codes\"\ncolumn = \"code\"\ncodes = [\"X\"]\n\
         prefixes = [\"O\"]\nsex = \"patients.sex\"\nis = [\"F\"]",
        &[
            "v1,ann,,,,O80,,,,",
            "v2,bob,,,,O80,,,,",
            "v3,bob,,,,X,,,,",
            "v4,bob,,,,A,,,,",
            "v5,cay,,,,X,,,,",
        ],
        &[3, 4],
    ),
    (
        "table = \"visits\"\nkind = \"not-future\"\ncolumn = \"from\"",
        &[
            "v1,ann,2026-11-22T23:59:59Z,,,,,,,",
            "v2,ann,2026-11-23T00:00:00Z,,,,,,,",
            "v3,ann,,,,,,,,",
        ],
        &[3],
    ),
    (
        "table = \"visits\"\nkind = \"rows-per-person\"\nmax = 2",
        &["v1,ann,,,,,,,,", "v2,bob,,,,,,,,", "v3,ann,,,,,,,,", "v4,ann,,,,,,,,", "v5,bob,,,,,,,,"],
        &[2, 4, 5],
    ),
    (
        "table = \"visits\"\nkind = \"consistency\"\nrelation = \"together\"\ncolumns = [\"value\", \"unit\"]",
        &["v1,ann,,,,,1,kg,,", "v2,ann,,,,,,,,", "v3,ann,,,,,1,,,", "v4,ann,,,,,,kg,,"],
        &[4, 5],
    ),
    (
        "table = \"visits\"\nkind = \"consistency\"\nrelation = \"implies\"\ncolumns = [\"value\", \"unit\"]",
        &["v1,ann,,,,,1,kg,,", "v3,ann,,,,,1,,,", "v4,ann,,,,,,kg,,"],
        &[3],
    ),
    (
        "table = \"visits\"\nkind = \"consistency\"\nrelation = \"at-most\"\ncolumns = [\"from\", \"until\"]",
        &[
            "v1,ann,2020-01-01T00:00:00Z,2020-01-01T00:00:00Z,,,,,,",
            "v2,ann,2020-01-02T00:00:00Z,2020-01-01T00:00:00Z,,,,,,",
        ],
        &[3],
    ),
    (
        "table = \"visits\"\nkind = \"consistency\"\nrelation = \"equal\"\ncolumns = [\"visit\", \"after\"]",
        &["v1,ann,,,,,,,,v1", "v2,ann,,,,,,,,v1", "v3,ann,,,,,,,,"],
        &[3],
    ),
    (
        "table = \"visits\"\nkind = \"required\"\ncolumns = [\"value\"]\nwhere = { column = \"code\", is = [\"A\"] }",
        &["v1,ann,,,,A,,,,", "v2,ann,,,,B,,,,", "v3,ann,,,,,,,,"],
        &[2],
    ),
    (
        "table = \"visits\"\nkind = \"required\"\ncolumns = [\"value\"]\nwhere = { column = \"code\", not = [\"A\"] }",
        &["v1,ann,,,,A,,,,", "v2,ann,,,,B,,,,", "v3,ann,,,,,,,,"],
        &[3, 4],
    ),
    (
        "table = \"visits\"\nkind = \"required\"\ncolumns = [\"value\"]\nwhere = { column = \"code\", filled = true }",
        &["v1,ann,,,,A,,,,", "v3,ann,,,,,,,,"],
        &[2],
    ),
];
