//! Whether two people's records would agree by chance.
//!
//! Comes in: the different records of a table. Goes out: for two of them, in bits, how rare
//! together the tokens are that both have. Never: a record counted once for each of its copies.
//!
//! A token that `x` of `n` records of other people have is worth log2(n / x) bits. Where nobody
//! else has it, `x` is what a value not met before may be expected to be: twice the tokens that
//! exactly two people have, over those that one has (Good 1953). So a time to the second is worth
//! far more than a day, without anybody saying which is which. Columns that go together (a code and
//! its text, a code and its unit) are not counted twice: a token is worth at most what it is among
//! records that agree in a column before it, as far as other people's records tell.

use rayon::prelude::*;

/// Bits that must be left over when a record has met as many others as there are: one in a
/// thousand meets its like by chance.
const MARGIN_BITS: u32 = 10;
/// Pairs of records that are looked at for what goes together.
const PAIRS_MAX: usize = 4_096;
/// Fractions of a record are counted in these.
const PARTS: u64 = 1 << 20;

/// What a table's records tell of chance.
#[derive(Debug)]
pub(super) struct Chance {
    records: u64,
    columns: Vec<Column>,
    /// For each column and each before it: bits that agreeing is worth where that one agrees.
    together: Vec<Vec<Option<u32>>>,
}

/// One column: whose records have which token.
#[derive(Debug)]
struct Column {
    /// (token, person, record), sorted.
    held: Vec<(u32, u32, u32)>,
    /// Of how many others' records a token that nobody else has is expected to be, in parts.
    unseen: u64,
    /// Whether a record typically meets another person's that agrees with it.
    common: bool,
}

impl Chance {
    /// Looks at the different records of a table: their persons and their tokens, `width` each.
    pub(super) fn of(people: &[u32], tokens: &[u32], width: usize) -> Self {
        let columns: Vec<Column> =
            (0..width).into_par_iter().map(|at| Column::of(people, tokens, width, at)).collect();
        let others = |(at, column): (usize, &Column)| {
            let pairs = if column.common { column.pairs(people) } else { Vec::new() };
            let worth = |other| {
                if other == at { None } else { agreement(&pairs, tokens, width, other) }
            };
            (0..width).map(worth).collect()
        };
        let together = columns.par_iter().enumerate().map(others).collect();
        Self { records: people.len() as u64, columns, together }
    }

    /// Whether what two people's records share is too rare for chance.
    pub(super) fn rules_out(&self, one: (u32, &[u32]), other: (u32, &[u32])) -> bool {
        let enough = self.records.max(1).ilog2() + 1 + MARGIN_BITS;
        let mut bits = 0;
        let mut before: Vec<usize> = Vec::new();
        for (at, (column, (a, b))) in self.columns.iter().zip(one.1.iter().zip(other.1)).enumerate()
        {
            if a != b || *a == 0 {
                continue;
            }
            let own = column.bits(*a, self.records, (one.0, other.0));
            let given = |d: &usize| self.together.get(*d)?.get(at).copied().flatten();
            bits += before.iter().filter_map(given).fold(own, u32::min);
            before.push(at);
        }
        bits >= enough
    }
}

/// Of pairs of records that agree in one column: what agreeing in another is worth. Where none does,
/// nothing says that the columns go together.
fn agreement(pairs: &[(u32, u32)], tokens: &[u32], width: usize, column: usize) -> Option<u32> {
    let token = |record: u32| {
        let record = usize::try_from(record).unwrap_or(usize::MAX);
        record.checked_mul(width).and_then(|first| tokens.get(first.checked_add(column)?))
    };
    // What neither has filled tells of nothing.
    let filled = pairs.iter().filter_map(|(one, other)| {
        Some((token(*one)?, token(*other)?)).filter(|(a, b)| **a != 0 && **b != 0)
    });
    let (agree, all) =
        filled.fold((0_u32, 0_u32), |(agree, all), (a, b)| (agree + u32::from(a == b), all + 1));
    (agree > 0).then(|| (all / agree).max(1).ilog2())
}

impl Column {
    fn of(people: &[u32], tokens: &[u32], width: usize, at: usize) -> Self {
        let cells = tokens.iter().skip(at).step_by(width.max(1));
        let mut held: Vec<(u32, u32, u32)> = (0..)
            .zip(cells.zip(people))
            .filter(|(_, (token, _))| **token != 0)
            .map(|(record, (token, person))| (*token, *person, record))
            .collect();
        held.par_sort_unstable();
        let (mut ones, mut twos, mut meetings) = (0_u64, 0_u64, 0_u64);
        for run in held.chunk_by(|a, b| a.0 == b.0) {
            let all = run.len() as u64;
            let own = run.chunk_by(|a, b| a.1 == b.1).map(|own| own.len() as u64);
            let (people, among) = own.fold((0_u64, 0), |(n, sum), own| (n + 1, sum + own * own));
            ones += u64::from(people == 1);
            twos += u64::from(people == 2);
            meetings = meetings.saturating_add(all.saturating_mul(all) - among);
        }
        let unseen = (2 * twos).max(1).saturating_mul(PARTS).checked_div(ones).unwrap_or(PARTS);
        let common = meetings >= held.len() as u64;
        Self { held, unseen: unseen.max(1), common }
    }

    fn bits(&self, token: u32, records: u64, (one, other): (u32, u32)) -> u32 {
        let among = |low: (u32, u32), high: (u32, u32)| {
            let below = |key: (u32, u32)| self.held.partition_point(|h| (h.0, h.1) < key);
            (below(high) - below(low)) as u64
        };
        let next = |id: u32| id.saturating_add(1);
        let all = among((token, 0), (next(token), 0));
        let own = among((token, one), (token, next(one)));
        let theirs = if one == other { 0 } else { among((token, other), (token, next(other))) };
        let others = all.saturating_sub(own + theirs).saturating_mul(PARTS).max(self.unseen);
        (records.saturating_mul(PARTS) / others).max(1).ilog2()
    }

    /// Pairs of records of different people that agree in this column, spread over it.
    fn pairs(&self, people: &[u32]) -> Vec<(u32, u32)> {
        let person = |record: u32| usize::try_from(record).ok().and_then(|at| people.get(at));
        let step = (self.held.len() / PAIRS_MAX).max(1);
        let mut pairs = Vec::new();
        for (at, (token, own, record)) in self.held.iter().enumerate().step_by(step) {
            let end = self.held.partition_point(|h| h.0 <= *token);
            // Half the run away, so that neighbours by person are not the ones that meet.
            let start = self.held.partition_point(|h| h.0 < *token);
            let (place, length) = (at - start, end - start);
            let meets = start + (place + length / 2) % length;
            let Some((_, _, other)) = self.held.get(meets) else { continue };
            if person(*other) != Some(own) {
                pairs.push((*record, *other));
            }
        }
        pairs
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::minhash::mix;

    /// Rows of (code, text of the code, day, time), one a person.
    fn table(rows: u32, days: u64) -> (Vec<u32>, Vec<u32>) {
        let draw = |row: u32, column: u64, of: u64| {
            u32::try_from(mix(column, row.into()) % of).unwrap() + 1
        };
        let row = |row: u32| {
            let code = draw(row, 1, 50);
            [code, code + 1_000, draw(row, 2, days), draw(row, 3, 1 << 31)]
        };
        ((0..rows).collect(), (0..rows).flat_map(row).collect())
    }

    #[test]
    fn a_time_to_the_second_rules_chance_out_and_a_day_and_a_code_do_not() {
        let (people, tokens) = table(20_000, 3_650);
        let chance = Chance::of(&people, &tokens, 4);
        let row = &tokens[..4];
        let with = |columns: [bool; 4]| -> Vec<u32> {
            row.iter().zip(columns).map(|(t, same)| if same { *t } else { 0 }).collect()
        };
        assert!(chance.rules_out((0, row), (1, row)), "a copy is taken for chance");
        assert!(chance.rules_out((0, row), (1, &with([true, false, false, true]))));
        let day = with([true, true, true, false]);
        assert!(!chance.rules_out((0, row), (1, &day)), "people of one code and day are copies");
    }

    #[test]
    fn a_code_and_its_text_are_not_counted_twice() {
        let (people, tokens) = table(20_000, 3_650);
        let chance = Chance::of(&people, &tokens, 4);
        let given = chance.together[0][1].unwrap();
        assert_eq!(given, 0, "the text says something that the code does not");
        let day = chance.together[0][2];
        assert!(day.is_none_or(|bits| bits >= 8), "the day follows from the code");
    }
}
