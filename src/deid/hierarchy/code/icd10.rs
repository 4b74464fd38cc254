//! The places of ICD-10 codes. Comes in: a code. Goes out: its category, block and chapter, by the tables
//! below. Never: a text that has not the shape of a code given a place.

/// The first category of each chapter, and its number.
const CHAPTERS: [(&str, &str); 22] = [
    ("A00", "I"),
    ("C00", "II"),
    ("D50", "III"),
    ("E00", "IV"),
    ("F00", "V"),
    ("G00", "VI"),
    ("H00", "VII"),
    ("H60", "VIII"),
    ("I00", "IX"),
    ("J00", "X"),
    ("K00", "XI"),
    ("L00", "XII"),
    ("M00", "XIII"),
    ("N00", "XIV"),
    ("O00", "XV"),
    ("P00", "XVI"),
    ("Q00", "XVII"),
    ("R00", "XVIII"),
    ("S00", "XIX"),
    ("U00", "XXII"),
    ("V01", "XX"),
    ("Z00", "XXI"),
];

/// The blocks of the WHO's version of 2019; where it nests blocks, the narrower ones.
const BLOCKS: &str = "\
    A00-A09 A15-A19 A20-A28 A30-A49 A50-A64 A65-A69 A70-A74 A75-A79 A80-A89 A92-A99 B00-B09 \
    B15-B19 B20-B24 B25-B34 B35-B49 B50-B64 B65-B83 B85-B89 B90-B94 B95-B98 B99-B99 C00-C14 \
    C15-C26 C30-C39 C40-C41 C43-C44 C45-C49 C50-C50 C51-C58 C60-C63 C64-C68 C69-C72 C73-C75 \
    C76-C80 C81-C96 C97-C97 D00-D09 D10-D36 D37-D48 D50-D53 D55-D59 D60-D64 D65-D69 D70-D77 \
    D80-D89 E00-E07 E10-E14 E15-E16 E20-E35 E40-E46 E50-E64 E65-E68 E70-E90 F00-F09 F10-F19 \
    F20-F29 F30-F39 F40-F48 F50-F59 F60-F69 F70-F79 F80-F89 F90-F98 F99-F99 G00-G09 G10-G14 \
    G20-G26 G30-G32 G35-G37 G40-G47 G50-G59 G60-G64 G70-G73 G80-G83 G90-G99 H00-H06 H10-H13 \
    H15-H22 H25-H28 H30-H36 H40-H42 H43-H45 H46-H48 H49-H52 H53-H54 H55-H59 H60-H62 H65-H75 \
    H80-H83 H90-H95 I00-I02 I05-I09 I10-I15 I20-I25 I26-I28 I30-I52 I60-I69 I70-I79 I80-I89 \
    I95-I99 J00-J06 J09-J18 J20-J22 J30-J39 J40-J47 J60-J70 J80-J84 J85-J86 J90-J94 J95-J99 \
    K00-K14 K20-K31 K35-K38 K40-K46 K50-K52 K55-K64 K65-K67 K70-K77 K80-K87 K90-K93 L00-L08 \
    L10-L14 L20-L30 L40-L45 L50-L54 L55-L59 L60-L75 L80-L99 M00-M03 M05-M14 M15-M19 M20-M25 \
    M30-M36 M40-M43 M45-M49 M50-M54 M60-M63 M65-M68 M70-M79 M80-M85 M86-M90 M91-M94 M95-M99 \
    N00-N08 N10-N16 N17-N19 N20-N23 N25-N29 N30-N39 N40-N51 N60-N64 N70-N77 N80-N98 N99-N99 \
    O00-O08 O10-O16 O20-O29 O30-O48 O60-O75 O80-O84 O85-O92 O94-O99 P00-P04 P05-P08 P10-P15 \
    P20-P29 P35-P39 P50-P61 P70-P74 P75-P78 P80-P83 P90-P96 Q00-Q07 Q10-Q18 Q20-Q28 Q30-Q34 \
    Q35-Q37 Q38-Q45 Q50-Q56 Q60-Q64 Q65-Q79 Q80-Q89 Q90-Q99 R00-R09 R10-R19 R20-R23 R25-R29 \
    R30-R39 R40-R46 R47-R49 R50-R69 R70-R79 R80-R82 R83-R89 R90-R94 R95-R99 S00-S09 S10-S19 \
    S20-S29 S30-S39 S40-S49 S50-S59 S60-S69 S70-S79 S80-S89 S90-S99 T00-T07 T08-T14 T15-T19 \
    T20-T25 T26-T28 T29-T32 T33-T35 T36-T50 T51-T65 T66-T78 T79-T79 T80-T88 T90-T98 V01-V09 \
    V10-V19 V20-V29 V30-V39 V40-V49 V50-V59 V60-V69 V70-V79 V80-V89 V90-V94 V95-V97 V98-V99 \
    W00-W19 W20-W49 W50-W64 W65-W74 W75-W84 W85-W99 X00-X09 X10-X19 X20-X29 X30-X39 X40-X49 \
    X50-X57 X58-X59 X60-X84 X85-Y09 Y10-Y34 Y35-Y36 Y40-Y59 Y60-Y69 Y70-Y82 Y83-Y84 Y85-Y89 \
    Y90-Y98 Z00-Z13 Z20-Z29 Z30-Z39 Z40-Z54 Z55-Z65 Z70-Z76 Z80-Z99 U00-U49 U82-U85";

/// Categories of ICD-10-CM that end in a letter and stand in a block of the WHO's, beside which.
const BESIDE: [(&str, &str); 7] = [
    ("C4A", "C44"),
    ("I1A", "I15"),
    ("I5A", "I52"),
    ("J4A", "J47"),
    ("M1A", "M14"),
    ("O9A", "O99"),
    ("Z3A", "Z39"),
];

/// The longest code: seven characters and a point, and a mark of a dagger code.
const BYTES_MAX: usize = 9;

/// Returns category, block and chapter of a code, of whatever case, with or without its point.
pub(super) fn labels(value: &str) -> Option<Vec<String>> {
    let code = value.to_ascii_uppercase();
    let (category, detail) = code.split_at_checked(3)?;
    let shape = match category.as_bytes() {
        [b'A'..=b'Z', b'0'..=b'9', last] => last.is_ascii_digit() || matches!(last, b'A' | b'B'),
        _ => false,
    };
    let detailed = |byte: u8| byte.is_ascii_alphanumeric() || b".+*!-".contains(&byte);
    if !shape || code.len() > BYTES_MAX || !detail.bytes().all(detailed) {
        return None;
    }
    // Letters, then digits: the order of texts is the order of the tables.
    let chapter = CHAPTERS.iter().rfind(|(first, _)| *first <= category)?.1;
    let beside = BESIDE.iter().find(|(one, _)| *one == category);
    let place = beside.map_or(category, |(_, beside)| beside);
    let holds = |block: &&str| {
        let (first, last) = block.split_once('-').unwrap_or((block, block));
        (first..=last).contains(&place)
    };
    let numbered = place.ends_with(|last: char| last.is_ascii_digit());
    let block = BLOCKS.split_ascii_whitespace().find(holds).filter(|_| numbered);
    Some(vec![category.to_owned(), block.unwrap_or(category).to_owned(), chapter.to_owned()])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(value: &str) -> String {
        labels(value).unwrap().join(" ")
    }

    #[test]
    fn a_code_tells_its_category_block_and_chapter() {
        assert_eq!(told("E11.9"), "E11 E10-E14 IV");
        for same in ["E11", "E119", "e11.9", "E11.9-", "E11.65", "E11+"] {
            assert_eq!(told(same), told("E11.9"), "`{same}` stands elsewhere");
        }
        assert_eq!(told("S72.001A"), "S72 S70-S79 XIX");
        assert_eq!(told("Y05"), "Y05 X85-Y09 XX", "a block over two letters is lost");
        assert_eq!(told("H60"), "H60 H60-H62 VIII");
        assert_eq!(told("H59"), "H59 H55-H59 VII", "two chapters share a letter");
        assert_eq!(told("D48"), "D48 D37-D48 II");
        assert_eq!(told("U07.1"), "U07 U00-U49 XXII");
    }

    #[test]
    fn a_national_category_stands_in_its_chapter() {
        assert_eq!(told("Z66"), "Z66 Z66 XXI");
        assert_eq!(told("D49.9"), "D49 D49 II");
        assert_eq!(told("C4A.0"), "C4A C43-C44 II");
        assert_eq!(told("C7A.00"), "C7A C7A II", "it stands among the unspecified sites");
    }

    #[test]
    fn what_is_no_code_has_no_place() {
        for text in ["", "E1", "11.9", "EE1.9", "E11 9", "Diabetes", "E11.9123456", "É11", "E1X"] {
            assert_eq!(labels(text), None, "`{text}` was taken for an ICD-10 code");
        }
    }

    #[test]
    fn blocks_stand_in_order_and_no_two_overlap() {
        let mut before = "";
        let mut blocks: Vec<&str> = BLOCKS.split_ascii_whitespace().collect();
        assert_eq!(blocks.len(), 263, "a block is lost or said twice");
        blocks.sort_unstable();
        for block in blocks {
            let (first, last) = block.split_once('-').unwrap();
            assert!(before < first && first <= last, "{block} overlaps the one before");
            before = last;
        }
        let sorted = CHAPTERS.windows(2).all(|pair| pair[0].0 < pair[1].0);
        assert!(sorted, "chapters stand out of order");
    }
}
