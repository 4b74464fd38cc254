//! Demographics as they are compared: case, accents, punctuation, nicknames, streets and numbers
//! brought to one form, so that equal people give equal texts.
//!
//! Comes in: a cell. Goes out: its normal form, or nothing where it says nothing.
//! Never: a guess at what a cell may have meant beyond the rules written here.

/// A given name in its forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Given {
    /// All of it, words between blanks.
    pub(super) whole: String,
    /// The name that its first word is short for, or that word.
    pub(super) root: String,
    /// The letter that it begins with.
    pub(super) initial: String,
}

/// Lower case, Latin letters without their marks, every other sign a blank. Letters of scripts that
/// have no such marks stay as they are.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut folded = String::with_capacity(text.len());
    for c in text.chars().flat_map(char::to_lowercase) {
        match c {
            '\'' | '’' | '`' | '\u{300}'..='\u{36f}' => {}
            c if c.is_ascii_alphanumeric() => folded.push(c),
            c if c.is_alphanumeric() => match plain(c) {
                Some(plain) => folded.push_str(plain),
                None => folded.push(c),
            },
            _ => folded.push(' '),
        }
    }
    folded.split_whitespace().map(str::to_owned).collect()
}

/// Returns the plain letters of a lower-case Latin letter with a mark.
pub fn plain(c: char) -> Option<&'static str> {
    Some(match c {
        'à'..='å' | 'ā' | 'ă' | 'ą' | 'ǎ' | 'ạ' | 'ả' | 'ấ' | 'ầ' | 'ẩ' | 'ẫ' | 'ậ' => {
            "a"
        }
        'æ' => "ae",
        'ç' | 'ć' | 'ĉ' | 'ċ' | 'č' => "c",
        'ď' | 'đ' | 'ð' => "d",
        'è'..='ë' | 'ē' | 'ĕ' | 'ė' | 'ę' | 'ě' | 'ẹ' | 'ẻ' | 'ẽ' | 'ế' | 'ề' | 'ể' | 'ễ' | 'ệ' => {
            "e"
        }
        'ĝ' | 'ğ' | 'ġ' | 'ģ' => "g",
        'ĥ' | 'ħ' => "h",
        'ì'..='ï' | 'ĩ' | 'ī' | 'ĭ' | 'į' | 'ı' | 'ị' | 'ỉ' => "i",
        'ĵ' => "j",
        'ķ' => "k",
        'ĺ' | 'ļ' | 'ľ' | 'ł' => "l",
        'ñ' | 'ń' | 'ņ' | 'ň' => "n",
        'ò'..='ö' | 'ø' | 'ō' | 'ŏ' | 'ő' | 'ơ' | 'ọ' | 'ỏ' | 'ố' | 'ồ' | 'ổ' | 'ỗ' | 'ộ' => {
            "o"
        }
        'œ' => "oe",
        'ŕ' | 'ŗ' | 'ř' => "r",
        'ś' | 'ŝ' | 'ş' | 'š' | 'ș' => "s",
        'ß' => "ss",
        'ţ' | 'ť' | 'ț' | 'ŧ' => "t",
        'þ' => "th",
        'ù'..='ü' | 'ũ' | 'ū' | 'ŭ' | 'ů' | 'ű' | 'ų' | 'ư' | 'ụ' | 'ủ' => "u",
        'ŵ' => "w",
        'ý' | 'ÿ' | 'ŷ' => "y",
        'ź' | 'ż' | 'ž' => "z",
        _ => return None,
    })
}

/// Words beside a name that are no part of it.
const TITLES: &[&str] =
    &["mr", "mrs", "ms", "miss", "dr", "prof", "jr", "sr", "ii", "iii", "iv", "md", "phd"];

/// Particles of family names: they are part of the whole name, and no name by themselves.
const PARTICLES: &[&str] = &[
    "al", "bin", "da", "das", "de", "del", "den", "der", "di", "dos", "du", "el", "la", "le",
    "san", "st", "ten", "ter", "van", "von",
];

fn name_words(text: &str) -> Vec<String> {
    let letters = |word: String| word.chars().filter(|c| !c.is_numeric()).collect::<String>();
    let words = words(text).into_iter().map(letters).filter(|word| !word.is_empty());
    words.filter(|word| !TITLES.contains(&word.as_str())).collect()
}

pub(super) fn given(text: &str) -> Option<Given> {
    let words = name_words(text);
    let first = words.first()?;
    let known = NICKNAMES.iter().find(|(_, short)| short.contains(&first.as_str()));
    let root = known.map_or_else(|| first.clone(), |(name, _)| (*name).to_owned());
    let initial = first.chars().next()?.to_string();
    Some(Given { whole: words.join(" "), root, initial })
}

/// A family name: all its words as one, and its first and last that are no particle.
pub(super) fn family(text: &str) -> Option<(String, [String; 2])> {
    let words = name_words(text);
    let mut bare = words.iter().filter(|word| !PARTICLES.contains(&word.as_str()));
    let first = bare.next().or(words.first())?.clone();
    let last = bare.next_back().cloned().unwrap_or_default();
    Some((words.concat(), [first, last]))
}

/// How a name sounds: American Soundex of its Latin letters, the first of them taken for its sound.
pub(super) fn sound(name: &str) -> String {
    let code = |c: char| match c {
        'b' | 'f' | 'p' | 'v' => Some('1'),
        'c' | 'g' | 'j' | 'k' | 'q' | 's' | 'x' | 'z' => Some('2'),
        'd' | 't' => Some('3'),
        'l' => Some('4'),
        'm' | 'n' => Some('5'),
        'r' => Some('6'),
        _ => None,
    };
    let name = name.replace("ph", "f");
    let mut letters = name.chars();
    let Some(first) = letters.next() else { return String::new() };
    let mut sound = String::from(if first == 'c' || first == 'q' { 'k' } else { first });
    let mut last = code(first);
    for letter in letters {
        let own = code(letter);
        if own.is_some() && own != last {
            sound.extend(own);
        }
        // `h` and `w` do not part two letters of one sound; vowels do.
        if !matches!(letter, 'h' | 'w') {
            last = own;
        }
        if sound.len() == 4 {
            break;
        }
    }
    sound
}

/// Pairs of neighbouring letters of a name, with its beginning and end.
pub(super) fn pairs(name: &str) -> Vec<[char; 2]> {
    let letters: Vec<char> =
        std::iter::once('^').chain(name.chars()).chain(std::iter::once('$')).collect();
    let mut pairs: Vec<[char; 2]> =
        letters.windows(2).filter_map(|pair| pair.try_into().ok()).collect();
    pairs.sort_unstable();
    pairs.dedup();
    pairs
}

/// A civil date `YYYY-MM-DD` as (year, month, day).
pub(super) fn date(text: &str) -> Option<(String, u32, u32)> {
    let mut parts = text.get(..10).unwrap_or(text).split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let digits = year.len() == 4 && year.bytes().all(|b| b.is_ascii_digit());
    digits.then_some(())?;
    Some((year.to_owned(), month.parse().ok()?, day.parse().ok()?))
}

/// `f`, `m` or `o`; what is unknown says nothing.
pub(super) fn sex(text: &str) -> Option<&'static str> {
    match text.trim().to_lowercase().as_str() {
        "f" | "female" | "w" => Some("f"),
        "m" | "male" => Some("m"),
        "x" | "o" | "other" | "d" => Some("o"),
        _ => None,
    }
}

/// Words for kinds of streets, and how they are written here.
const STREETS: &[(&str, &str)] = &[
    ("street", "st"),
    ("str", "st"),
    ("avenue", "ave"),
    ("av", "ave"),
    ("road", "rd"),
    ("lane", "ln"),
    ("drive", "dr"),
    ("boulevard", "blvd"),
    ("court", "ct"),
    ("place", "pl"),
    ("square", "sq"),
    ("terrace", "ter"),
    ("highway", "hwy"),
    ("parkway", "pkwy"),
    ("north", "n"),
    ("south", "s"),
    ("east", "e"),
    ("west", "w"),
];

/// Words after which a door within a house is named.
const DOORS: &[&str] = &["apt", "apartment", "unit", "suite", "ste", "flat", "room", "floor", "fl"];

/// A line of an address: the house, without its door, and its street without the number.
pub(super) fn street(text: &str) -> Option<(String, String)> {
    let words = words(&text.replace('#', " apt "));
    let house = words.iter().take_while(|word| !DOORS.contains(&word.as_str()));
    let short = |word: &String| {
        let known = STREETS.iter().find(|(long, _)| long == word);
        known.map_or_else(|| word.clone(), |(_, short)| (*short).to_owned())
    };
    let house: Vec<String> = house.map(short).collect();
    let is_number = |word: &String| word.chars().any(char::is_numeric);
    let street: Vec<&str> =
        house.iter().filter(|word| !is_number(word)).map(String::as_str).collect();
    (!house.is_empty()).then(|| (house.join(" "), street.join(" ")))
}

pub(super) fn city(text: &str) -> Option<String> {
    Some(words(text).concat()).filter(|city| !city.is_empty())
}

/// A postal code without blanks; of a ZIP+4 the first five digits.
pub(super) fn postal(text: &str) -> Option<String> {
    let code = words(text).concat();
    let is_zip4 = code.len() == 9 && code.bytes().all(|b| b.is_ascii_digit());
    let code = if is_zip4 { code.get(..5)?.to_owned() } else { code };
    Some(code).filter(|code| !code.is_empty())
}

/// The last ten digits of a telephone number; fewer than seven, or one digit ten times, are none.
pub(super) fn phone(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let from = digits.len().saturating_sub(10);
    let digits = digits.get(from..)?.to_owned();
    (digits.len() >= 7 && !is_filler(&digits)).then_some(digits)
}

pub(super) fn email(text: &str) -> Option<String> {
    let text = text.trim().to_lowercase();
    let (name, host) = text.split_once('@')?;
    (!name.is_empty() && host.contains('.')).then_some(text)
}

/// An identifier's letters and digits; under four of them, or all the same, are none.
pub(super) fn identifier(text: &str) -> Option<String> {
    let code = words(text).concat();
    (code.chars().count() >= 4 && !is_filler(&code)).then_some(code)
}

/// Says whether a text is one sign over and over, as `999999999`, which stands for "unknown".
fn is_filler(text: &str) -> bool {
    let mut signs = text.chars();
    let first = signs.next();
    signs.all(|sign| Some(sign) == first)
}

/// Given names and what they are shortened to, in English.
const NICKNAMES: &[(&str, &[&str])] = &[
    ("abigail", &["abby", "abbie", "gail"]),
    ("albert", &["al", "bert"]),
    ("alexander", &["alex", "alec", "sandy", "xander"]),
    ("alexandra", &["alexa", "sandra"]),
    ("andrew", &["andy", "drew"]),
    ("anna", &["annie", "ann", "anne", "nan"]),
    ("anthony", &["tony"]),
    ("barbara", &["barb", "babs"]),
    ("benjamin", &["ben", "benny"]),
    ("catherine", &["cathy", "cath", "katherine", "kathy", "kate", "katie", "kat", "kitty"]),
    ("charles", &["charlie", "chuck", "chas"]),
    ("christina", &["tina", "chrissy"]),
    ("christopher", &["chris", "kit", "topher"]),
    ("daniel", &["dan", "danny"]),
    ("david", &["dave", "davy"]),
    ("deborah", &["deb", "debbie", "debra"]),
    ("dorothy", &["dot", "dolly", "dottie"]),
    ("edward", &["ed", "eddie", "ted", "ned"]),
    ("eleanor", &["ellie", "nell", "nora"]),
    ("elizabeth", &["liz", "lizzie", "beth", "betty", "eliza", "betsy", "libby"]),
    ("francis", &["frank", "fran"]),
    ("frederick", &["fred", "freddie"]),
    ("gabriel", &["gabe"]),
    ("george", &["georgie"]),
    ("gregory", &["greg"]),
    ("harriet", &["hattie"]),
    ("henry", &["harry", "hank", "hal"]),
    ("isabel", &["bella", "izzy", "isabella"]),
    ("jacob", &["jake"]),
    ("james", &["jim", "jimmy", "jamie"]),
    ("jennifer", &["jen", "jenny", "jenn"]),
    ("jessica", &["jess", "jessie"]),
    ("johanna", &["hanna", "joanna"]),
    ("john", &["jack", "johnny"]),
    ("jonathan", &["jon", "nathan"]),
    ("jose", &["pepe"]),
    ("josefina", &["fina", "pepa"]),
    ("joseph", &["joe", "joey"]),
    ("joshua", &["josh"]),
    ("judith", &["judy"]),
    ("lawrence", &["larry"]),
    ("leonard", &["len", "lenny"]),
    ("linda", &["lindy"]),
    ("magdalena", &["lena", "magda"]),
    ("margaret", &["maggie", "meg", "peggy", "marge", "greta", "rita"]),
    ("maria", &["mia", "mary", "molly"]),
    ("matthew", &["matt"]),
    ("michael", &["mike", "mick", "mickey"]),
    ("mohammed", &["mohamed", "muhammad", "mo"]),
    ("nathaniel", &["nate", "nat"]),
    ("nicholas", &["nick", "nicky", "nico"]),
    ("patricia", &["pat", "patty", "tricia", "trish"]),
    ("patrick", &["paddy"]),
    ("peter", &["pete"]),
    ("philip", &["phil"]),
    ("rafael", &["rafa"]),
    ("raymond", &["ray"]),
    ("rebecca", &["becky", "becca"]),
    ("richard", &["rick", "dick", "rich", "ricky"]),
    ("robert", &["bob", "rob", "bobby", "robbie", "bert"]),
    ("ronald", &["ron", "ronnie"]),
    ("samuel", &["sam", "sammy"]),
    ("sara", &["sarah", "sally", "sadie"]),
    ("stephen", &["steve", "steven", "stevie"]),
    ("susan", &["sue", "susie", "suzy"]),
    ("teresa", &["terry", "tess", "theresa"]),
    ("thomas", &["tom", "tommy"]),
    ("timothy", &["tim"]),
    ("valerie", &["val"]),
    ("victoria", &["vicky", "tori"]),
    ("vincent", &["vince", "vinny"]),
    ("walter", &["walt", "wally"]),
    ("william", &["bill", "will", "billy", "willie", "liam"]),
    ("zachary", &["zach", "zack"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_written_otherwise_come_to_one_form() {
        assert_eq!(given("Zoë"), given("ZOE "));
        assert_eq!(given("Bob").unwrap().root, given("Dr. Robert").unwrap().root);
        assert_eq!(given("M.").unwrap().initial, "m");
        assert_eq!(given("Abdul218").unwrap().whole, "abdul");
        assert_eq!(given("1970"), None, "a number would pass for a name");
        assert_eq!(family("O'Brien").unwrap().0, family("OBRIEN").unwrap().0);
        assert_eq!(
            family("Da Silva").unwrap(),
            ("dasilva".into(), ["silva".into(), String::new()])
        );
        assert_eq!(family("García-López").unwrap().1, ["garcia", "lopez"]);
    }

    #[test]
    fn what_sounds_alike_has_one_sound() {
        assert_eq!(sound("katherine"), sound("catherine"));
        assert_eq!(sound("robert"), "r163");
        assert_eq!(sound("smith"), sound("smyth"));
        assert_ne!(sound("smith"), sound("jones"));
    }

    #[test]
    fn streets_phones_and_codes_come_to_one_form() {
        assert_eq!(street("12 Elm Street, Apt 4"), street("12 elm st #5"));
        assert_eq!(street("12 Elm St").unwrap().1, "elm st");
        assert_eq!(phone("+1 (617) 555-0101"), phone("617-555-0101"));
        assert_eq!(phone("999-999-9999"), None, "a filler would join strangers");
        assert_eq!(identifier("999-99-9999"), None);
        assert_eq!(identifier("999-22-1962").unwrap(), "999221962");
        assert_eq!(postal("01940-1234").unwrap(), "01940");
        assert_eq!((sex("Female"), sex("unknown")), (Some("f"), None));
        assert_eq!(date("1956-08-03"), Some(("1956".into(), 8, 3)));
        assert_eq!(date("8/3/1956"), None);
    }
}
